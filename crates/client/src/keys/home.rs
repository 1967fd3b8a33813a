//! The folder that holds a user's keys.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::Arc;

use cipherformer_circuit::ParameterSet;

use super::asked::Asked;
use super::files::{self, fault};
use super::pair::Pair;
use super::passphrase::{FileOrTerminal, Passphrases};
use super::{KeyRecord, Keys, sealed};
use crate::error::ClientError;
use crate::observer::Observer;

/// The folder that holds a user's keys, one pair per parameter set.
#[derive(Clone)]
pub struct KeyHome {
    pub(super) folder: PathBuf,
    pub(super) insecure_allowed: bool,
    pub(super) asked: Asked,
    pub(super) protect_new: bool,
    /// Tests take a smaller one than users get.
    pub(super) work_factor: u8,
}

impl KeyHome {
    /// Keys under this folder, which is made when the first key is. Passphrases, where keys have any, come from
    /// the file that the environment names, or from the terminal.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            insecure_allowed: false,
            asked: Asked::new(Arc::new(FileOrTerminal::from_environment())),
            protect_new: false,
            work_factor: sealed::WORK_FACTOR,
        }
    }

    /// Accepts parameter sets without security, which only test builds have.
    pub fn allow_insecure(mut self) -> Self {
        self.insecure_allowed = true;
        self
    }

    /// Gets passphrases from elsewhere.
    pub fn with_passphrases(mut self, source: Arc<dyn Passphrases>) -> Self {
        self.asked = Asked::new(source);
        self
    }

    /// Protects secret keys that are made from now on by a passphrase.
    pub fn protect_new_keys(mut self) -> Self {
        self.protect_new = true;
        self
    }

    /// Where the keys of this parameter set are, or would be.
    pub fn folder(&self, parameters: &ParameterSet) -> PathBuf {
        self.pair(parameters).0
    }

    /// Reads and checks the keys of this parameter set, if there are any: 14 or 40 MB. Asks for the passphrase
    /// if they have one.
    ///
    /// # Errors
    /// Files that cannot be read, are damaged or missing, or that others may read; a wrong passphrase.
    pub fn load(&self, parameters: &'static ParameterSet) -> Result<Option<Keys>, ClientError> {
        let keys = self.read(parameters, |pair, record| {
            Ok(Keys {
                folder: pair.0.clone(),
                record: record.clone(),
                secret: pair.open(record, parameters, &self.asked)?.1,
                evaluation: pair.evaluation(record, parameters)?,
            })
        })?;
        if let Some(keys) = &keys {
            // Not before the form that counts was opened: the other might be the last one that can be.
            self.remove_leftover(parameters, &keys.record)?;
        }
        Ok(keys)
    }

    /// What may be shown of the keys of this parameter set, if there are any. They are read and checked as
    /// [`KeyHome::load`] does, but for what is under a passphrase: nobody is asked for it.
    ///
    /// # Errors
    /// As [`KeyHome::load`].
    pub fn check(
        &self,
        parameters: &'static ParameterSet,
    ) -> Result<Option<KeyRecord>, ClientError> {
        self.read(parameters, |pair, record| {
            match record.protected {
                true => pair.check_sealed(record)?,
                false => drop(pair.open(record, parameters, &self.asked)?),
            }
            pair.evaluation(record, parameters)?;
            Ok(record.clone())
        })
    }

    /// Makes new keys: a second on all cores, and 14 or 40 MB of disk.
    ///
    /// # Errors
    /// Keys that are there already, or a folder that cannot be written.
    pub fn create(
        &self,
        parameters: &'static ParameterSet,
        observer: &dyn Observer,
    ) -> Result<Keys, ClientError> {
        let _lock = self.lock(parameters)?;
        self.settle(parameters)?;
        let pair = self.pair(parameters);
        if pair.exists()? {
            return Err(ClientError::KeysExist { folder: pair.0 });
        }
        self.make_first(parameters, observer)
    }

    /// The keys there are, or new ones. Two processes that ask at once get the same.
    ///
    /// # Errors
    /// As [`KeyHome::load`] and [`KeyHome::create`]; damaged keys are never replaced.
    pub fn load_or_create(
        &self,
        parameters: &'static ParameterSet,
        observer: &dyn Observer,
    ) -> Result<Keys, ClientError> {
        loop {
            if let Some(keys) = self.load(parameters)? {
                return Ok(keys);
            }
            let _lock = self.lock(parameters)?;
            self.settle(parameters)?;
            // Another process may have made them while this one waited.
            if !self.pair(parameters).exists()? {
                return self.make_first(parameters, observer);
            }
        }
    }

    /// Destroys the keys of this parameter set, damaged or not; returns the files that are gone.
    ///
    /// # Errors
    /// No keys, or files that cannot be overwritten and deleted.
    pub fn delete(&self, parameters: &'static ParameterSet) -> Result<Vec<PathBuf>, ClientError> {
        let pair = self.pair(parameters);
        if !self.is_anywhere(parameters)? {
            return Err(ClientError::NoKeys { folder: pair.0 });
        }
        let _lock = self.lock(parameters)?;
        self.settle(parameters)?;
        let gone = pair.destroy()?;
        files::sync_folder(&self.keys_folder())?;
        Ok(gone)
    }

    /// What `read` makes of the pair, if there is one. If another process changes the pair meanwhile, it is
    /// read again.
    pub(super) fn read<T>(
        &self,
        parameters: &'static ParameterSet,
        read: impl Fn(&Pair, &KeyRecord) -> Result<T, ClientError>,
    ) -> Result<Option<T>, ClientError> {
        let pair = self.pair(parameters);
        loop {
            self.settle_if_interrupted(parameters)?;
            let Some(before) = pair.stamp() else {
                if !self.is_anywhere(parameters)? {
                    return Ok(None);
                }
                self.settle_without_record(parameters)?;
                continue;
            };
            let record = pair.record(parameters);
            let outcome = record.and_then(|record| read(&pair, &record));
            if pair.stamp().as_ref() == Some(&before) {
                return outcome.map(Some);
            }
        }
    }

    /// A pair without its record is damaged, or on its way from one place to another: only under the lock can
    /// the two be told apart.
    fn settle_without_record(&self, parameters: &'static ParameterSet) -> Result<(), ClientError> {
        let _lock = self.lock(parameters)?;
        self.settle(parameters)?;
        let pair = self.pair(parameters);
        match pair.exists()? {
            true => pair.record(parameters).map(drop),
            false => Ok(()),
        }
    }

    /// Whether there is a pair, in its place or, while it is rotated, on its way there.
    fn is_anywhere(&self, parameters: &ParameterSet) -> Result<bool, ClientError> {
        let pair = self.pair(parameters);
        // In its place again, should a rotation have come to its end between the two looks before.
        Ok(pair.exists()? || self.was_interrupted(parameters)? || pair.exists()?)
    }

    /// Keeps other processes from making, changing or deleting keys of this set until dropped.
    pub(super) fn lock(&self, parameters: &ParameterSet) -> Result<File, ClientError> {
        self.lock_by_name(parameters.name)
    }

    /// The same, unless another process has it.
    pub(super) fn try_lock(&self, parameters: &ParameterSet) -> Result<Option<File>, ClientError> {
        let (path, file) = self.lock_file(parameters.name)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(fault("lock", &path)(error)),
        }
    }

    pub(super) fn lock_by_name(&self, name: &str) -> Result<File, ClientError> {
        let (path, file) = self.lock_file(name)?;
        file.lock().map_err(fault("lock", &path))?;
        Ok(file)
    }

    fn lock_file(&self, name: &str) -> Result<(PathBuf, File), ClientError> {
        let keys = self.keys_folder();
        files::make_folder(&keys)?;
        let path = keys.join(format!("{name}.lock"));
        let file = File::create(&path).map_err(fault("lock", &path))?;
        Ok((path, file))
    }

    pub(super) fn pair(&self, parameters: &ParameterSet) -> Pair {
        Pair(self.keys_folder().join(parameters.name))
    }

    pub(super) fn keys_folder(&self) -> PathBuf {
        self.folder.join("keys")
    }
}

impl fmt::Debug for KeyHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyHome")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}
