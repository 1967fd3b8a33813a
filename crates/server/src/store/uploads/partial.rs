//! What has arrived of a key, on disk.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cipherformer_circuit::ParameterSet;
use tempfile::TempPath;

use crate::error::ServerError;
use crate::store::{Store, Time, directory};

/// A file that grows as the body arrives, and vanishes unless it is put in place.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) file: Arc<Mutex<File>>,
    pub(super) path: TempPath,
    pub(super) parameters: &'static ParameterSet,
    /// Bytes that have arrived for certain.
    pub(super) written: u64,
    /// How many there will be, if that is known.
    pub(super) total: Option<u64>,
    /// When the last of them arrived.
    pub(super) since: Time,
    pub(super) room: Arc<Room>,
}

/// Bytes that an upload takes of the quota.
#[derive(Debug)]
pub(super) struct Room {
    taken: AtomicU64,
    all: Arc<AtomicU64>,
}

impl Partial {
    /// An empty file that only this user can read, as temporary files are.
    pub(super) fn new(
        folder: &Path,
        parameters: &'static ParameterSet,
        total: Option<u64>,
        all: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        let (file, path) = tempfile::Builder::new()
            .prefix("key-")
            .tempfile_in(folder)?
            .into_parts();
        Ok(Self {
            file: Arc::new(Mutex::new(file)),
            path,
            parameters,
            written: 0,
            total,
            since: Time::now(),
            room: Arc::new(Room {
                taken: AtomicU64::new(0),
                all,
            }),
        })
    }

    /// Writes bytes behind those that have arrived, making room for them; answers with their end.
    pub(super) fn writing(
        &self,
        store: &Arc<Store>,
        bytes: Vec<u8>,
    ) -> impl FnOnce() -> Result<u64, ServerError> + Send + 'static {
        let (store, file, room) = (
            Arc::clone(store),
            Arc::clone(&self.file),
            Arc::clone(&self.room),
        );
        let start = self.written;
        move || {
            let end = start + bytes.len() as u64;
            let more = end.saturating_sub(room.taken.load(Ordering::Relaxed));
            if more > 0 {
                let changes = store.changes();
                store.make_room(more, &changes)?;
                room.take(more);
            }
            let mut file = lock(&file);
            let written = file
                .seek(SeekFrom::Start(start))
                .and_then(|_| file.write_all(&bytes));
            written.map_err(|error| ServerError::storage("writing an upload", &error))?;
            Ok(end)
        }
    }

    /// What was written, once it is durable.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        let file = lock(&self.file);
        file.set_len(self.written)?;
        file.sync_all()?;
        fs::read(&self.path)
    }
}

impl Room {
    fn take(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let taken = self.taken.load(Ordering::Relaxed);
        self.all.fetch_sub(taken, Ordering::Relaxed);
    }
}

/// Makes a file visible under this name, in one step.
pub(super) fn persist(path: TempPath, to: &Path) -> io::Result<()> {
    path.persist(to).map_err(|error| error.error)?;
    match to.parent() {
        Some(folder) => directory::sync(folder),
        None => Ok(()),
    }
}

/// What is behind the lock is written from its beginning, whatever happened before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
