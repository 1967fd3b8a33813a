//! Putting a secret key under a passphrase, and taking it out.
//!
//! Each is a row of steps after any of which the process may die: `key.json` always names a form of the secret
//! key that is there, complete and on disk.

use cipherformer_circuit::ParameterSet;
use zeroize::Zeroizing;

use super::files::{self, damaged};
use super::pair::{Pair, SEALED, SECRET};
use super::passphrase::{Passphrase, PassphraseError};
use super::{KeyHome, KeyRecord, sealed};
use crate::error::ClientError;

impl KeyHome {
    /// Puts the secret key of this set under a passphrase. The file without is overwritten and removed: where
    /// the file system writes in place, nothing of it is left; copies in snapshots, backups and worn blocks of a
    /// disk stay what they are.
    ///
    /// # Errors
    /// No keys, damaged ones, or protected ones; no passphrase; files that cannot be written.
    pub fn protect(&self, parameters: &'static ParameterSet) -> Result<KeyRecord, ClientError> {
        let _lock = self.lock(parameters)?;
        let (pair, mut record) = self.settled(parameters)?;
        let key = pair.file(SEALED);
        if record.protected {
            return Err(PassphraseError::Protected { key }.into());
        }
        let (plaintext, _) = pair.open(&record, parameters, &self.asked)?;
        let passphrase = self.asked.choose(&key)?;
        self.seal_beside(&pair, &plaintext, &passphrase)?;
        record.protected = true;
        pair.replace_record(&record)?;
        self.remove_leftover_of(&pair, &record)?;
        Ok(record)
    }

    /// Takes the secret key of this set from under its passphrase.
    ///
    /// # Errors
    /// No keys, damaged ones, or unprotected ones; a wrong passphrase; files that cannot be written.
    pub fn unprotect(&self, parameters: &'static ParameterSet) -> Result<KeyRecord, ClientError> {
        let _lock = self.lock(parameters)?;
        let (pair, mut record) = self.settled(parameters)?;
        let key = pair.file(SECRET);
        if !record.protected {
            return Err(PassphraseError::Unprotected { key }.into());
        }
        let (plaintext, _) = pair.open(&record, parameters, &self.asked)?;
        files::replace(&key, &plaintext)?;
        record.protected = false;
        pair.replace_record(&record)?;
        self.remove_leftover_of(&pair, &record)?;
        Ok(record)
    }

    /// Writes the protected form, and reads it back before the other is given up.
    pub(super) fn seal_beside(
        &self,
        pair: &Pair,
        plaintext: &Zeroizing<Vec<u8>>,
        passphrase: &Passphrase,
    ) -> Result<(), ClientError> {
        let path = pair.file(SEALED);
        files::replace(
            &path,
            &sealed::seal(plaintext, passphrase, self.work_factor),
        )?;
        let written = files::read_private(&path, plaintext.len() + sealed::OVERHEAD)?;
        match sealed::open(&written, passphrase) {
            Ok(opened) if opened == *plaintext => Ok(()),
            _ => Err(damaged(&path, "it is not what was just written")),
        }
    }

    /// If a process died before it removed the form of the secret key that does not count any more, removes it.
    pub(super) fn remove_leftover(
        &self,
        parameters: &'static ParameterSet,
        record: &KeyRecord,
    ) -> Result<(), ClientError> {
        let pair = self.pair(parameters);
        if !pair.leftover(record).exists() {
            return Ok(());
        }
        // Another process may be about to make it the form that counts.
        let Some(_lock) = self.try_lock(parameters)? else {
            return Ok(());
        };
        match pair.record(parameters) {
            Ok(now) if now == *record => self.remove_leftover_of(&pair, record),
            _ => Ok(()),
        }
    }

    /// The same; the caller holds the lock, and `record` is what the folder says.
    pub(super) fn remove_leftover_of(
        &self,
        pair: &Pair,
        record: &KeyRecord,
    ) -> Result<(), ClientError> {
        files::shred(&pair.leftover(record))?;
        files::sync_folder(&pair.0)
    }

    /// The pair, after what a dead process left of a rotation was cleared up; the caller holds the lock.
    pub(super) fn settled(
        &self,
        parameters: &'static ParameterSet,
    ) -> Result<(Pair, KeyRecord), ClientError> {
        self.settle(parameters)?;
        let pair = self.pair(parameters);
        if !pair.exists()? {
            return Err(ClientError::NoKeys { folder: pair.0 });
        }
        let record = pair.record(parameters)?;
        Ok((pair, record))
    }
}
