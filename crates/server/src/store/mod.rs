//! Evaluation keys on disk.
//!
//! ```text
//! DATA_DIR/lock                   held by the one server that uses the directory
//! DATA_DIR/incoming/*             uploads; emptied when a server starts
//! DATA_DIR/keys/SET/ID            a complete, verified key of parameter set SET
//! DATA_DIR/keys/SET/ID.damaged    one that was found damaged, set aside
//! ```
//!
//! A key becomes visible by one atomic rename, after its bytes are on disk, so a crash at any moment
//! leaves either the whole key or none. The file's name is the SHA-256 of its content.

mod directory;
mod upload;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cipherformer_circuit::ParameterSet;
use cipherformer_fhe::{FheError, SeededEvaluationKey, size_limit};
use cipherformer_protocol::KeyId;
use tokio::sync::Semaphore;

use crate::error::{ServerError, StartError};
use directory::Directory;
pub(crate) use upload::Upload;

/// Uploads that may be under way at the same time; each may take as much disk as a key.
const UPLOADS: usize = 16;
/// After how many seconds one of them may be done: 40 MB at 4 MB a second.
const UPLOAD_SECONDS: u64 = 10;

/// What is known of a stored key without reading it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StoredKey {
    pub(crate) parameters: &'static ParameterSet,
    pub(crate) bytes: u64,
}

/// The most bytes a key of these parameters can have.
pub(crate) fn key_limit(parameters: &ParameterSet) -> usize {
    size_limit(parameters.evaluation_key_bytes())
}

/// The keys of one data directory.
#[derive(Debug)]
pub(crate) struct KeyStore {
    directory: Directory,
    /// The parameter sets whose keys are taken.
    sets: Vec<&'static ParameterSet>,
    /// Held while a key's file is put in place or set aside, so that a good one that just arrived is
    /// never set aside in place of the bad one before it.
    changes: Mutex<()>,
    /// One permit for each upload that may be under way.
    uploads: Arc<Semaphore>,
    /// Held while an upload is verified, which takes twice its size in memory.
    verifying: Arc<tokio::sync::Mutex<()>>,
}

impl KeyStore {
    /// Opens the directory, making it if missing, and removes what interrupted uploads left.
    ///
    /// One that cannot be written is accepted if it is there: the keys in it keep serving.
    ///
    /// # Errors
    /// A directory that is missing and cannot be made, or that another server uses.
    pub(crate) fn open(
        data_dir: &Path,
        sets: Vec<&'static ParameterSet>,
    ) -> Result<Self, StartError> {
        Ok(Self {
            directory: Directory::open(data_dir, &sets)?,
            sets,
            changes: Mutex::default(),
            uploads: Arc::new(Semaphore::new(UPLOADS)),
            verifying: Arc::default(),
        })
    }

    /// The parameter set of this name, if its keys are taken.
    ///
    /// # Errors
    /// Any other name.
    pub(crate) fn parameter_set(&self, name: &str) -> Result<&'static ParameterSet, ServerError> {
        let mut sets = self.sets.iter().copied();
        sets.find(|set| set.name == name)
            .ok_or_else(|| ServerError::UnknownParameterSet {
                name: name.chars().take(64).collect(),
                known: self.names(),
            })
    }

    /// The names of the secure sets among them, for people.
    fn names(&self) -> String {
        let secure = self.sets.iter().filter(|set| set.security_bits > 0);
        secure.map(|set| set.name).collect::<Vec<_>>().join(", ")
    }

    /// What is known of a key, or `None`.
    pub(crate) fn find(&self, id: &KeyId) -> Result<Option<StoredKey>, ServerError> {
        for &parameters in &self.sets {
            match fs::metadata(self.path(id, parameters)) {
                Ok(file) => {
                    let bytes = file.len();
                    return Ok(Some(StoredKey { parameters, bytes }));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(ServerError::storage("looking for a key", &error)),
            }
        }
        Ok(None)
    }

    /// Reads a key and checks it. A damaged file is set aside; its client has to register again.
    pub(crate) fn load(
        &self,
        id: &KeyId,
        parameters: &'static ParameterSet,
    ) -> Result<SeededEvaluationKey, ServerError> {
        match self.read(id, parameters)? {
            Ok(key) => Ok(key),
            Err(reason) => {
                tracing::error!(key = short(id), %reason, "stored key is damaged");
                Err(self.set_aside(id, parameters))
            }
        }
    }

    /// Begins an upload; nothing of it is visible until [`KeyStore::finish`].
    ///
    /// # Errors
    /// Too many under way, or a directory that cannot be written.
    pub(crate) fn upload(&self) -> Result<Upload, ServerError> {
        let place = Arc::clone(&self.uploads).try_acquire_owned();
        let place = place.map_err(|_| ServerError::Busy {
            seconds: UPLOAD_SECONDS,
        })?;
        if !self.directory.writable() {
            return Err(ServerError::StorageUnavailable);
        }
        Upload::new(self.directory.incoming(), place)
            .map_err(|error| ServerError::storage("beginning an upload", &error))
    }

    /// Verifies an upload and puts it in place; answers whether the key is new. Goes on to the end
    /// even if the caller does not wait for it.
    pub(crate) async fn finish(
        self: Arc<Self>,
        upload: Upload,
        id: KeyId,
        parameters: &'static ParameterSet,
    ) -> Result<bool, ServerError> {
        let turn = Arc::clone(&self.verifying).lock_owned().await;
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let bytes = upload
                .read()
                .map_err(|error| ServerError::storage("reading an upload", &error))?;
            if KeyId::of(&bytes) != id {
                return Err(ServerError::KeyMismatch { id });
            }
            SeededEvaluationKey::from_bytes(&bytes, parameters).map_err(ServerError::Key)?;
            self.put_in_place(upload, &id, parameters)
        });
        work.await.unwrap_or_else(|error| {
            tracing::error!(%error, "verifying an upload failed");
            Err(ServerError::Internal)
        })
    }

    /// Always replaces the file: should the one that is there be damaged, this heals it.
    fn put_in_place(
        &self,
        upload: Upload,
        id: &KeyId,
        parameters: &'static ParameterSet,
    ) -> Result<bool, ServerError> {
        let _changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let new = self.find(id)?.is_none();
        let folder = self.directory.keys(parameters);
        upload
            .persist(&folder, &id.to_string())
            .map_err(|error| ServerError::storage("storing a key", &error))?;
        Ok(new)
    }

    /// Returns what to tell the client.
    fn set_aside(&self, id: &KeyId, parameters: &'static ParameterSet) -> ServerError {
        let _changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let still_damaged = match self.read(id, parameters) {
            Ok(key) => key.is_err(),
            Err(error) => return error,
        };
        if still_damaged {
            let path = self.path(id, parameters);
            let aside = path.with_extension("damaged");
            if let Err(error) = fs::rename(&path, &aside) {
                tracing::error!(key = short(id), %error, "a damaged key cannot be set aside");
            }
        }
        ServerError::DamagedKey { id: id.clone() }
    }

    /// The outer error is the disk's, the inner one the content's.
    fn read(
        &self,
        id: &KeyId,
        parameters: &'static ParameterSet,
    ) -> Result<Result<SeededEvaluationKey, FheError>, ServerError> {
        let path = self.path(id, parameters);
        let bytes = match read_limited(&path, key_limit(parameters)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(ServerError::UnknownKey { id: id.clone() });
            }
            Err(error) => return Err(ServerError::storage("reading a key", &error)),
        };
        if KeyId::of(&bytes) != *id {
            return Ok(Err(FheError::Checksum {
                what: "stored evaluation key",
            }));
        }
        Ok(SeededEvaluationKey::from_bytes(&bytes, parameters))
    }

    fn path(&self, id: &KeyId, parameters: &ParameterSet) -> PathBuf {
        self.directory.keys(parameters).join(id.to_string())
    }
}

/// Reads a file, but not more than one byte past `limit`: enough to see that it is too large.
fn read_limited(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    use io::Read;
    let file = fs::File::open(path)?;
    let length = file.metadata()?.len().min(limit as u64 + 1);
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A key id as logs show it.
pub(crate) fn short(id: &KeyId) -> String {
    id.to_string().chars().take(12).collect()
}
