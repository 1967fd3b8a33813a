//! The folder of one pair of keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cipherformer_circuit::ParameterSet;
use cipherformer_fhe::{SecretKey, content_id, size_limit};
use cipherformer_protocol::KeyId;
use zeroize::Zeroizing;

use super::asked::Asked;
use super::files::{self, damaged, fault};
use super::passphrase::{Passphrase, PassphraseError};
use super::sealed::{self, Closed};
use super::{KeyRecord, dates};
use crate::error::ClientError;

pub(super) const SECRET: &str = "secret.key";
pub(super) const SEALED: &str = "secret.key.age";
pub(super) const EVALUATION: &str = "evaluation.key";
pub(super) const RECORD: &str = "key.json";

/// Secret keys, sealed or not, and records are a few kilobytes.
const SMALL_FILE_LIMIT: usize = 1 << 16;

/// A folder that holds a pair of keys, or will.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pair(pub(super) PathBuf);

impl Pair {
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Whether any of its files is there.
    pub(super) fn exists(&self) -> Result<bool, ClientError> {
        for name in [SECRET, SEALED, EVALUATION, RECORD] {
            let path = self.file(name);
            if path.try_exists().map_err(fault("read", &path))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes new keys, the secret one under a passphrase if there is one.
    pub(super) fn write(
        &self,
        secret: &SecretKey,
        evaluation: &[u8],
        passphrase: Option<&Passphrase>,
        work_factor: u8,
    ) -> Result<KeyRecord, ClientError> {
        let secret_bytes = secret.to_bytes();
        let record = KeyRecord {
            id: KeyId::of(evaluation),
            parameter_set: secret.parameters().name.to_owned(),
            protected: passphrase.is_some(),
            secret_key_bytes: secret_bytes.len() as u64,
            secret_key_sha256: content_id(&secret_bytes),
            evaluation_key_bytes: evaluation.len() as u64,
            created: dates::now(),
        };
        files::write_new(&self.file(EVALUATION), evaluation)?;
        files::write_new(&self.file(RECORD), &json(&record))?;
        match passphrase {
            Some(passphrase) => {
                let bytes = sealed::seal(&secret_bytes, passphrase, work_factor);
                files::write_new(&self.file(SEALED), &bytes)?;
            }
            None => files::write_new(&self.file(SECRET), &secret_bytes)?,
        }
        files::sync_folder(&self.0)?;
        Ok(record)
    }

    pub(super) fn replace_record(&self, record: &KeyRecord) -> Result<(), ClientError> {
        files::replace(&self.file(RECORD), &json(record))
    }

    pub(super) fn record(&self, parameters: &ParameterSet) -> Result<KeyRecord, ClientError> {
        let path = self.file(RECORD);
        let json = files::read(&path, SMALL_FILE_LIMIT)?;
        let record: KeyRecord =
            serde_json::from_slice(&json).map_err(|error| damaged(&path, error))?;
        match record.parameter_set == parameters.name {
            true => Ok(record),
            false => Err(damaged(&path, "it names another parameter set")),
        }
    }

    /// What tells whether another process has changed the pair.
    pub(super) fn stamp(&self) -> Option<Vec<u8>> {
        fs::read(self.file(RECORD)).ok()
    }

    /// The secret key's file without a passphrase, and the key that it holds.
    pub(super) fn open(
        &self,
        record: &KeyRecord,
        parameters: &'static ParameterSet,
        asked: &Asked,
    ) -> Result<(Zeroizing<Vec<u8>>, SecretKey), ClientError> {
        let path = self.secret_file(record);
        let file = files::read_private(&path, SMALL_FILE_LIMIT)?;
        let bytes = match record.protected {
            true => {
                // Before anybody is asked for nothing.
                sealed::check(&file).map_err(|reason| damaged(&path, reason))?;
                asked.open(&path, |passphrase| {
                    sealed::open(&file, passphrase).map_err(|closed| closed_at(&path, closed))
                })?
            }
            false => file,
        };
        let secret = SecretKey::from_bytes(&bytes).map_err(|error| damaged(&path, error))?;
        if secret.parameters() != parameters {
            return Err(damaged(&path, "it is of another parameter set"));
        }
        match content_id(&bytes) == record.secret_key_sha256 {
            true => Ok((bytes, secret)),
            false => Err(damaged(&path, format!("it is not the key of {RECORD}"))),
        }
    }

    /// Checks a protected key's file as far as can be told without its passphrase.
    pub(super) fn check_sealed(&self, record: &KeyRecord) -> Result<(), ClientError> {
        let path = self.secret_file(record);
        let bytes = files::read_private(&path, SMALL_FILE_LIMIT)?;
        sealed::check(&bytes).map_err(|reason| damaged(&path, reason))
    }

    pub(super) fn evaluation(
        &self,
        record: &KeyRecord,
        parameters: &ParameterSet,
    ) -> Result<Arc<[u8]>, ClientError> {
        let path = self.file(EVALUATION);
        let bytes = files::read(&path, size_limit(parameters.evaluation_key_bytes()))?;
        match KeyId::of(&bytes) == record.id {
            true => Ok(bytes.as_slice().into()),
            false => Err(damaged(&path, format!("it is not the key of {RECORD}"))),
        }
    }

    /// The form of the secret key that counts.
    pub(super) fn secret_file(&self, record: &KeyRecord) -> PathBuf {
        self.file(if record.protected { SEALED } else { SECRET })
    }

    /// The other form, which should not be there.
    pub(super) fn leftover(&self, record: &KeyRecord) -> PathBuf {
        self.file(if record.protected { SECRET } else { SEALED })
    }

    /// Destroys the keys, damaged or not; returns the files that are gone.
    pub(super) fn destroy(&self) -> Result<Vec<PathBuf>, ClientError> {
        let mut gone = Vec::new();
        // The record first: without it, readers do not take the rest for damaged keys.
        for name in [RECORD, SECRET, SEALED, EVALUATION] {
            let path = self.file(name);
            let removed = match name {
                SECRET | SEALED => files::shred(&path)?,
                _ => files::remove(&path)?,
            };
            if removed {
                gone.push(path);
            }
        }
        // It stays if the user put something else there.
        let _ = fs::remove_dir(&self.0);
        files::sync_folder(self.0.parent().unwrap_or(&self.0))?;
        Ok(gone)
    }
}

fn json(record: &KeyRecord) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(record).expect("plain data");
    json.push(b'\n');
    json
}

fn closed_at(path: &Path, closed: Closed) -> ClientError {
    match closed {
        Closed::Damaged(reason) => damaged(path, reason),
        Closed::WrongPassphrase => {
            let key = path.to_owned();
            PassphraseError::Wrong { key }.into()
        }
    }
}
