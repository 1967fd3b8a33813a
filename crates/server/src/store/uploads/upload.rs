//! One upload under way: from the first byte to the registered key, or to where it breaks off.

use std::sync::Arc;

use cipherformer_circuit::ParameterSet;
use cipherformer_fhe::SeededEvaluationKey;
use cipherformer_protocol::KeyId;
use tokio::sync::OwnedSemaphorePermit;

use super::partial::{Partial, persist};
use crate::blocking::blocking;
use crate::error::ServerError;
use crate::owner::Registration;
use crate::store::{Store, Time};

/// After how many seconds one of those under way may be done: 40 MB at 4 MB a second.
const UPLOAD_SECONDS: u64 = 10;
/// So many bytes are written at once.
const PIECE: usize = 256 << 10;

/// An upload under way. Dropped before its end, it can be resumed.
#[derive(Debug)]
pub(crate) struct Upload {
    store: Arc<Store>,
    key: Registration,
    number: u64,
    partial: Option<Partial>,
    /// What arrived and is not written yet.
    buffer: Vec<u8>,
    place: Option<OwnedSemaphorePermit>,
}

impl Store {
    /// Begins an upload of so many bytes, if that is known; nothing of it is visible until [`Upload::finish`].
    ///
    /// # Errors
    /// Too many under way, more than the owner may have, or a directory that cannot be written or has no room.
    pub(crate) fn begin_upload(
        self: &Arc<Self>,
        key: Registration,
        parameters: &'static ParameterSet,
        total: Option<u64>,
    ) -> Result<Upload, ServerError> {
        let place = self.upload_place()?;
        self.check_size(total.unwrap_or(0))?;
        self.check_keys_of_owner(&key)?;
        let partial = Partial::new(
            &self.directory.incoming(),
            parameters,
            total,
            Arc::clone(&self.uploads.bytes),
        );
        let partial =
            partial.map_err(|error| ServerError::storage("beginning an upload", &error))?;
        Ok(Upload {
            number: self.uploads.begin(&key),
            store: Arc::clone(self),
            key,
            partial: Some(partial),
            buffer: Vec::new(),
            place: Some(place),
        })
    }

    /// How much of an upload has arrived.
    ///
    /// # Errors
    /// None that was begun, or one that is at work.
    pub(crate) fn upload_offset(
        &self,
        key: &Registration,
        parameters: &ParameterSet,
    ) -> Result<u64, ServerError> {
        let slots = self.uploads.slots();
        let slot = slots.get(key).ok_or(ServerError::UnknownUpload)?;
        Ok(slot.waiting(parameters)?.written)
    }

    /// Goes on with an upload that broke off.
    ///
    /// # Errors
    /// None that was begun, or one that is at work or elsewhere, or too many under way.
    pub(crate) fn resume_upload(
        self: &Arc<Self>,
        key: Registration,
        parameters: &'static ParameterSet,
        offset: u64,
        total: Option<u64>,
    ) -> Result<Upload, ServerError> {
        let place = self.upload_place()?;
        let mut slots = self.uploads.slots();
        let slot = slots.get_mut(&key).ok_or(ServerError::UnknownUpload)?;
        let waiting = slot.waiting(parameters)?;
        if waiting.written != offset {
            return Err(ServerError::UploadOffset {
                offset: waiting.written,
            });
        }
        if let (Some(before), Some(now)) = (waiting.total, total)
            && before != now
        {
            let reason =
                format!("the upload was begun as one of {before} bytes; go on with it as such");
            return Err(ServerError::MalformedRequest { reason });
        }
        let number = slot.number;
        let mut partial = slot.partial.take();
        drop(slots);
        if let Some(partial) = &mut partial {
            partial.total = partial.total.or(total);
        }
        Ok(Upload {
            store: Arc::clone(self),
            key,
            number,
            partial,
            buffer: Vec::new(),
            place: Some(place),
        })
    }

    fn upload_place(&self) -> Result<OwnedSemaphorePermit, ServerError> {
        if !self.database.is_writable() {
            return Err(ServerError::StorageUnavailable);
        }
        let place = Arc::clone(&self.uploads.places).try_acquire_owned();
        place.map_err(|_| ServerError::Busy {
            seconds: UPLOAD_SECONDS,
        })
    }
}

impl Upload {
    /// How many bytes are missing, if that is known.
    pub(crate) fn missing(&self) -> Option<u64> {
        let partial = self.partial.as_ref()?;
        Some(partial.total?.saturating_sub(self.arrived()))
    }

    /// How many bytes have arrived.
    pub(crate) fn arrived(&self) -> u64 {
        let written = self.partial.as_ref().map_or(0, |partial| partial.written);
        written + self.buffer.len() as u64
    }

    /// Adds bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), ServerError> {
        self.buffer.extend_from_slice(bytes);
        match self.buffer.len() >= PIECE {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    async fn flush(&mut self) -> Result<(), ServerError> {
        let Some(partial) = &mut self.partial else {
            return Ok(());
        };
        let bytes = std::mem::take(&mut self.buffer);
        let work = partial.writing(&self.store, bytes);
        let end = blocking(work).await?;
        (partial.written, partial.since) = (end, Time::now());
        Ok(())
    }

    /// Verifies what arrived and registers it; answers whether the registration is new. From here on it goes on
    /// to the end even if the caller does not wait for it.
    pub(crate) async fn finish(mut self) -> Result<bool, ServerError> {
        if let Err(error) = self.flush().await {
            self.discard();
            return Err(error);
        }
        let turn = Arc::clone(&self.store.uploads.verifying);
        let turn = turn.lock_owned().await;
        blocking(move || {
            let _turn = turn;
            self.register()
        })
        .await
    }

    /// Removes what arrived, which is of no use.
    pub(crate) fn discard(mut self) {
        self.partial = None;
        self.store.uploads.end(&self.key, self.number);
    }

    /// Keeps what arrived, for the client to go on from there.
    pub(crate) async fn suspend(mut self) {
        if self.flush().await.is_err() {
            self.discard();
        }
    }

    fn register(mut self) -> Result<bool, ServerError> {
        let partial = self.partial.take().ok_or(ServerError::Internal)?;
        self.store.uploads.end(&self.key, self.number);
        let bytes = partial
            .read()
            .map_err(|error| ServerError::storage("reading an upload", &error))?;
        let id = &self.key.id;
        if KeyId::of(&bytes) != *id {
            return Err(ServerError::KeyMismatch { id: id.clone() });
        }
        let parameters = partial.parameters;
        SeededEvaluationKey::from_bytes(&bytes, parameters).map_err(ServerError::Key)?;
        let size = bytes.len() as u64;
        drop(bytes);
        let Partial { path, room, .. } = partial;
        let new = self
            .store
            .register(&self.key, parameters, size, |to| persist(path, to));
        drop(room); // only now that the row counts
        new
    }
}

impl Drop for Upload {
    /// Whoever was sending has gone, perhaps in the middle of a word.
    fn drop(&mut self) {
        let Some(mut partial) = self.partial.take() else {
            return;
        };
        let (store, key, number) = (Arc::clone(&self.store), self.key.clone(), self.number);
        if self.buffer.is_empty() {
            return store.uploads.suspend(&key, number, partial);
        }
        let (buffer, place) = (std::mem::take(&mut self.buffer), self.place.take());
        let keep = move || {
            let _place = place;
            if let Ok(end) = partial.writing(&store, buffer)() {
                partial.written = end;
            }
            store.uploads.suspend(&key, number, partial);
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn_blocking(keep));
        }
    }
}
