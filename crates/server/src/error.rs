//! Errors, sorted by who is to blame.

use std::path::PathBuf;

use cipherformer_fhe::FheError;

/// Why a server cannot start. Its operator is to blame, or the machine.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder of circuits cannot be read.
    #[error("cannot read the circuits folder {path}: {source}; pass an existing one with --circuits")]
    Circuits {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder has no usable circuit.
    #[error("no usable circuit in {path}; train one with cipherformer-model, or restore the folder")]
    NoCircuit {
        /// The folder.
        path: PathBuf,
    },
    /// The data directory cannot be used.
    #[error("cannot use the data directory {path}: {source}; pass a writable one with --data-dir")]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; pass another address with --listen")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why a request was not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    // The client is to blame.
    /// Nothing at this path.
    #[error("there is nothing at this address; GET /v1/circuits lists what this server offers")]
    UnknownRoute,
    /// The path exists, the method does not.
    #[error("this address does not take this method; see the interface's documentation")]
    MethodNotAllowed,
    /// A path, query or header that cannot be understood.
    #[error("{0}")]
    MalformedRequest(String),
    /// No such circuit.
    #[error("there is no circuit {name:?}; this server offers {known}")]
    UnknownCircuit {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The client encrypted for another version of the circuit.
    #[error("circuit {name} has changed since the input was encrypted; fetch it and encrypt again")]
    StaleCircuit {
        /// The circuit.
        name: String,
    },
    /// No such key.
    #[error("there is no evaluation key with this id; upload it with PUT, then try again")]
    UnknownKey,
    /// The id is not the hash of the body.
    #[error("the id is not the SHA-256 of the key that arrived; it was damaged on its way: send it again")]
    KeyIdMismatch,
    /// A key that cannot be used.
    #[error("{0}")]
    BadKey(FheError),
    /// An input that cannot be used.
    #[error("{0}")]
    BadInput(FheError),
    /// Key and circuit do not go together.
    #[error("this circuit needs a key for {needed}, the key is for {got}; make and upload one")]
    WrongParameterSet {
        /// The circuit's set.
        needed: &'static str,
        /// The key's set.
        got: String,
    },
    /// Too large a body.
    #[error("the {what} is larger than {limit} bytes, the most that one can have")]
    TooLarge {
        /// What the body should be.
        what: &'static str,
        /// The most it may have.
        limit: usize,
    },
    /// The connection broke before the body was complete.
    #[error("the body did not arrive whole; send it again")]
    IncompleteBody,

    // The operator is to blame, or the load.
    /// Too many evaluations are waiting.
    #[error("too many evaluations are waiting; try again in a few seconds")]
    Busy,
    /// A circuit that is there, but damaged.
    #[error("circuit {name} cannot be loaded on this server; its operator has to restore it")]
    CircuitUnavailable {
        /// The circuit.
        name: String,
    },
    /// The disk is full.
    #[error("the server's data directory is full; nothing was stored, registered keys still work")]
    StorageFull,
    /// The disk cannot be written or read.
    #[error("the server's data directory cannot be used ({0}); nothing was stored")]
    Storage(std::io::ErrorKind),

    // We are to blame.
    /// A bug.
    #[error("the evaluation failed for a reason that is the server's fault; it was logged")]
    Internal,
}

impl From<std::io::Error> for ServerError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded => Self::StorageFull,
            kind => Self::Storage(kind),
        }
    }
}
