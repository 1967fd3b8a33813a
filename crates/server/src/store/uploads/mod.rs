//! Keys on their way in. One whose connection breaks stays for a while, so that its client can go on from there.

mod partial;
mod upload;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cipherformer_circuit::ParameterSet;
use tokio::sync::Semaphore;

use crate::error::ServerError;
use crate::owner::Registration;
use crate::store::{Time, directory};
use partial::Partial;
pub(crate) use upload::Upload;

/// Uploads that may be under way at the same time.
const UPLOADS: usize = 16;
/// Uploads that broke off, and are kept.
const KEPT: usize = 64;
/// For how long.
const KEEP: Duration = Duration::from_secs(60 * 60);

/// All uploads of a store.
#[derive(Debug)]
pub(super) struct Uploads {
    /// One permit for each upload that may be under way.
    places: Arc<Semaphore>,
    /// The last upload of each registration, unless it is done.
    slots: Mutex<HashMap<Registration, Slot>>,
    number: AtomicU64,
    /// What they all take on disk.
    bytes: Arc<AtomicU64>,
    /// Held while an upload is verified, which takes twice its size in memory.
    verifying: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct Slot {
    /// Of the upload it is for: a later one of the same key takes its place.
    number: u64,
    /// What has arrived; with the request while there is one.
    partial: Option<Partial>,
}

impl Default for Uploads {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(UPLOADS)),
            slots: Mutex::default(),
            number: AtomicU64::default(),
            bytes: Arc::default(),
            verifying: Arc::default(),
        }
    }
}

impl Uploads {
    /// What they take on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Removes what has arrived of a key; `false` if that is nothing. A request that is at work is not stopped, but
    /// cannot be resumed.
    pub(super) fn forget(&self, key: &Registration) -> bool {
        let slot = self.slots().remove(key);
        slot.inspect(Slot::shred).is_some()
    }

    /// Removes those that were given up.
    pub(super) fn expire(&self, now: Time) {
        let old = |slot: &mut Slot| {
            let partial = slot.partial.as_ref();
            partial.is_some_and(|partial| now.since(partial.since) >= KEEP)
        };
        let expired: Vec<_> = self.slots().extract_if(|_, slot| old(slot)).collect();
        for (_, slot) in expired {
            slot.shred();
        }
    }

    /// A new upload takes the place of an earlier one of the same key.
    fn begin(&self, key: &Registration) -> u64 {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let slot = Slot {
            number,
            partial: None,
        };
        let mut slots = self.slots();
        slots.insert(key.clone(), slot);
        let waiting = slots.iter().filter_map(|(key, slot)| {
            let since = slot.partial.as_ref()?.since;
            Some((since, key.clone()))
        });
        let waiting: Vec<_> = waiting.collect();
        if waiting.len() > KEPT
            && let Some((_, oldest)) = waiting.into_iter().min_by_key(|(since, _)| *since)
        {
            slots.remove(&oldest);
        }
        number
    }

    /// How many write at the moment.
    pub(super) fn under_way(&self) -> usize {
        UPLOADS - self.places.available_permits()
    }

    /// Keeps what has arrived, unless there is another upload of the key, or nothing.
    fn suspend(&self, key: &Registration, number: u64, partial: Partial) {
        let mut slots = self.slots();
        match slots.get_mut(key) {
            Some(slot) if slot.number == number && partial.written > 0 => {
                slot.partial = Some(partial);
            }
            Some(slot) if slot.number == number => {
                slots.remove(key);
            }
            _ => {}
        }
    }

    fn end(&self, key: &Registration, number: u64) {
        let mut slots = self.slots();
        if slots.get(key).is_some_and(|slot| slot.number == number) {
            slots.remove(key);
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Registration, Slot>> {
        // What is behind the lock is consistent after every step.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn shred(&self) {
        if let Some(partial) = &self.partial {
            let _ = directory::shred(&partial.path);
        }
    }

    /// What has arrived, unless somebody is writing it: a request, or what one that was cut off had begun to write.
    fn waiting(&self, parameters: &ParameterSet) -> Result<&Partial, ServerError> {
        let partial = self.partial.as_ref().ok_or(ServerError::UploadBusy)?;
        if partial.parameters != parameters {
            return Err(ServerError::UnknownUpload);
        }
        match Arc::strong_count(&partial.file) {
            1 => Ok(partial),
            _ => Err(ServerError::UploadBusy),
        }
    }
}
