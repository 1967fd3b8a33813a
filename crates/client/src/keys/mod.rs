//! The keys of one user, on disk.
//!
//! ```text
//! HOME/registrations.json          which keys were registered with which servers
//! HOME/keys/SET/                   the pair of parameter set SET
//!     key.json                     what may be shown of it
//!     secret.key                   the secret key (mode 0600), or instead of it
//!     secret.key.age               the same under a passphrase
//!     evaluation.key               what servers get
//! HOME/keys/.next-SET/             a new pair that is about to take the place of SET
//! HOME/keys/.retired-SET/          the pair whose place it took, about to be destroyed
//! ```
//!
//! A pair's folder is made under another name, written to disk, and renamed when complete: half-made keys
//! are never visible, and no key is ever overwritten. `key.json` says which of the two forms of the secret key
//! counts; the other, if a process died before it was removed, goes when the keys are used next.

mod asked;
mod dates;
mod files;
mod home;
mod look;
mod make;
mod pair;
mod passphrase;
mod protect;
mod registrations;
mod rotate;
mod sealed;
#[cfg(all(test, unix))]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cipherformer_circuit::ParameterSet;
use cipherformer_fhe::SecretKey;
use cipherformer_protocol::KeyId;
use serde::{Deserialize, Serialize};

pub use home::KeyHome;
pub use look::{FileLook, HomeLook, PairLook};
pub use passphrase::{FileOrTerminal, PASSPHRASE_FILE, Passphrase, PassphraseError, Passphrases};
pub use rotate::Rotation;

/// What `key.json` says of the two keys beside it. Nothing here is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The evaluation key's id, by which the server knows it.
    pub id: KeyId,
    /// The parameter set of both keys.
    pub parameter_set: String,
    /// Whether a passphrase protects the secret key.
    #[serde(default)]
    pub protected: bool,
    /// Size of the secret key's file without a passphrase.
    pub secret_key_bytes: u64,
    /// SHA-256 of the secret key's file without a passphrase, so that keys of two pairs cannot be mixed up. The
    /// key has far too many bits for anybody to find it from its hash; so the hash does not help to try
    /// passphrases either: each has to go through scrypt before there is a key to hash.
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
