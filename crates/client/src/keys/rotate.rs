//! Taking new keys in place of old ones.
//!
//! The new pair is made as `.next-SET`. Two renames make it the pair that counts: the old one becomes
//! `.retired-SET`, then the new one `SET`. Whoever finds no `SET` but a retired pair knows that a process is
//! between the two, or died there, takes the lock, and does the second one itself. So whoever reads always finds
//! a whole pair, the old or the new one.

use std::fs::{self, File};

use cipherformer_circuit::ParameterSet;

use super::files::{self, fault};
use super::pair::{Pair, RECORD, SEALED};
use super::passphrase::Passphrase;
use super::{KeyHome, KeyRecord, Keys};
use crate::error::ClientError;
use crate::observer::Observer;

/// A new pair that waits to take the place of the old one, until [`Rotation::finish`]; dropped before that, the
/// old pair stays, and the new one is destroyed when keys are next changed.
pub struct Rotation {
    home: KeyHome,
    old: KeyRecord,
    new: Keys,
    _lock: File,
}

impl KeyHome {
    /// Makes a new pair beside the one there is, under the same passphrase if that has one.
    ///
    /// # Errors
    /// No keys, or damaged ones; a wrong passphrase; a folder that cannot be written.
    pub fn rotate(
        &self,
        parameters: &'static ParameterSet,
        observer: &dyn Observer,
    ) -> Result<Rotation, ClientError> {
        let lock = self.lock(parameters)?;
        let (pair, old) = self.settled(parameters)?;
        let passphrase = self.passphrase_of(&pair, &old, parameters)?;
        let next = self.next(parameters);
        Ok(Rotation {
            home: self.clone(),
            old,
            new: self.make(parameters, &next, passphrase.as_ref(), observer)?,
            _lock: lock,
        })
    }

    /// The passphrase for the pair that is to follow this one.
    fn passphrase_of(
        &self,
        pair: &Pair,
        record: &KeyRecord,
        parameters: &'static ParameterSet,
    ) -> Result<Option<Passphrase>, ClientError> {
        let key = pair.file(SEALED);
        if record.protected {
            // A mistyped one must not close the new key for ever.
            pair.open(record, parameters, &self.asked)?;
            return Ok(self.asked.known(&key));
        }
        match self.protect_new {
            true => self.asked.choose(&key).map(Some),
            false => Ok(None),
        }
    }

    /// First rename: the old pair gives up its place.
    pub(super) fn retire(&self, parameters: &ParameterSet) -> Result<(), ClientError> {
        self.rename(&self.pair(parameters), &self.retired(parameters))
    }

    /// Second rename: the new pair takes it.
    pub(super) fn succeed(&self, parameters: &ParameterSet) -> Result<(), ClientError> {
        self.rename(&self.next(parameters), &self.pair(parameters))
    }

    /// Ends what a dead process left of a rotation; the caller holds the lock.
    pub(super) fn settle(&self, parameters: &ParameterSet) -> Result<(), ClientError> {
        let (next, retired) = (self.next(parameters), self.retired(parameters));
        if !self.pair(parameters).exists()? && retired.file(RECORD).exists() {
            match next.file(RECORD).exists() {
                true => self.succeed(parameters)?,
                false => self.rename(&retired, &self.pair(parameters))?,
            }
        }
        for done in [next, retired] {
            if done.0.exists() {
                done.destroy()?;
            }
        }
        Ok(())
    }

    /// The same for whoever only wants to read: waits if there is nothing to be read else.
    pub(super) fn settle_if_interrupted(
        &self,
        parameters: &ParameterSet,
    ) -> Result<(), ClientError> {
        if !self.was_interrupted(parameters)? {
            return Ok(());
        }
        let lock = match self.pair(parameters).exists()? {
            true => self.try_lock(parameters)?, // another process may be uploading the new key
            false => Some(self.lock(parameters)?),
        };
        match lock {
            Some(_lock) => self.settle(parameters),
            None => Ok(()),
        }
    }

    /// Whether a rotation is under way, or never came to its end.
    pub(super) fn was_interrupted(&self, parameters: &ParameterSet) -> Result<bool, ClientError> {
        for pair in [self.next(parameters), self.retired(parameters)] {
            if pair.0.try_exists().map_err(fault("read", &pair.0))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn next(&self, parameters: &ParameterSet) -> Pair {
        Pair(
            self.keys_folder()
                .join(format!(".next-{}", parameters.name)),
        )
    }

    pub(super) fn retired(&self, parameters: &ParameterSet) -> Pair {
        let name = format!(".retired-{}", parameters.name);
        Pair(self.keys_folder().join(name))
    }

    fn rename(&self, from: &Pair, to: &Pair) -> Result<(), ClientError> {
        fs::rename(&from.0, &to.0).map_err(fault("create", &to.0))?;
        files::sync_folder(&self.keys_folder())
    }
}

impl Rotation {
    /// The pair that still counts.
    pub fn old(&self) -> &KeyRecord {
        &self.old
    }

    /// The pair that will.
    pub fn new_keys(&self) -> &Keys {
        &self.new
    }

    /// Puts the new pair in place, and destroys the old one: its ciphertexts can never be opened again.
    ///
    /// # Errors
    /// Files that cannot be renamed or deleted; whatever happens, one of the pairs is in place.
    pub fn finish(self) -> Result<Keys, ClientError> {
        let parameters = self.new.parameters();
        self.home.retire(parameters)?;
        self.home.succeed(parameters)?;
        self.home.settle(parameters)?;
        Ok(Keys {
            folder: self.home.folder(parameters),
            ..self.new
        })
    }
}
