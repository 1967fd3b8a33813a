//! Passphrases that were asked for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::passphrase::{Passphrase, PassphraseError, Passphrases};
use crate::error::ClientError;

/// Where passphrases come from, and those that were right: nobody is asked twice for the same key.
#[derive(Clone)]
pub(super) struct Asked {
    source: Arc<dyn Passphrases>,
    right: Arc<Mutex<HashMap<PathBuf, Passphrase>>>,
}

impl Asked {
    pub(super) fn new(source: Arc<dyn Passphrases>) -> Self {
        Self {
            source,
            right: Arc::default(),
        }
    }

    /// Opens a key with its passphrase. A wrong one is an error: whoever asks for another is the user.
    pub(super) fn open<T>(
        &self,
        key: &Path,
        open: impl Fn(&Passphrase) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        // Held while the user types, so that two threads do not ask at once.
        let mut right = self.right();
        if let Some(passphrase) = right.get(key) {
            match open(passphrase) {
                // Another process may have put another key there.
                Err(ClientError::Passphrase(PassphraseError::Wrong { .. })) => {}
                outcome => return outcome,
            }
        }
        right.remove(key);
        let passphrase = self.source.for_opening(key)?;
        let opened = open(&passphrase)?;
        right.insert(key.to_owned(), passphrase);
        Ok(opened)
    }

    /// The passphrase that opened a key.
    pub(super) fn known(&self, key: &Path) -> Option<Passphrase> {
        self.right().get(key).cloned()
    }

    /// A passphrase for a key that has none yet.
    pub(super) fn choose(&self, key: &Path) -> Result<Passphrase, ClientError> {
        let passphrase = self.source.for_protecting(key)?;
        self.right().insert(key.to_owned(), passphrase.clone());
        Ok(passphrase)
    }

    fn right(&self) -> MutexGuard<'_, HashMap<PathBuf, Passphrase>> {
        // Every entry is complete, whoever panicked.
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
