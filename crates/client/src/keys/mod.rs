//! The keys of one user, on disk.
//!
//! `HOME/keys/PARAMETER_SET/` holds `secret.key` (mode 0600), `evaluation.key` and `key.json`. The
//! folder is made under another name, written to disk, and renamed when complete: half-made keys
//! are never visible, and no key is ever overwritten.

mod files;
mod home;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cipherformer_circuit::ParameterSet;
use cipherformer_fhe::SecretKey;
use cipherformer_protocol::KeyId;
use serde::{Deserialize, Serialize};

pub use home::KeyHome;

/// What `key.json` says of the two keys beside it. Nothing here is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The evaluation key's id, by which the server knows it.
    pub id: KeyId,
    /// The parameter set of both keys.
    pub parameter_set: String,
    /// Size of the secret key's file.
    pub secret_key_bytes: u64,
    /// SHA-256 of the secret key's file, so that keys of two pairs cannot be mixed up. The key has
    /// far too many bits for anybody to find it from its hash.
    pub secret_key_sha256: String,
    /// Size of the evaluation key as sent.
    pub evaluation_key_bytes: u64,
    /// When they were made, as RFC 3339.
    pub created: String,
}

/// A secret key and its evaluation key.
pub struct Keys {
    folder: PathBuf,
    record: KeyRecord,
    secret: SecretKey,
    evaluation: Arc<[u8]>,
}

impl Keys {
    /// The folder they are stored in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What may be shown of them.
    pub fn record(&self) -> &KeyRecord {
        &self.record
    }

    /// Their parameters.
    pub fn parameters(&self) -> &'static ParameterSet {
        self.secret.parameters()
    }

    /// The key that opens ciphertexts; it never leaves this computer.
    pub fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// The bytes the server gets to compute with; they open nothing.
    pub fn evaluation(&self) -> &Arc<[u8]> {
        &self.evaluation
    }
}
