//! Errors, sorted by who is to blame, and the problem documents they become.

use std::net::SocketAddr;
use std::path::PathBuf;

use cipherformer_circuit::CircuitError;
use cipherformer_fhe::FheError;
use cipherformer_protocol::{KeyId, Problem, ProblemKind, routes};

/// Why a server cannot start. Always for its operator to solve.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder of circuits cannot be read.
    #[error(
        "cannot read the circuits folder {path}: {source}; pass the folder that holds them with --circuits"
    )]
    CircuitsFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is not one circuit that can be offered.
    #[error(
        "no usable circuit in {path}{}; train one with cipherformer-model, or pass another folder with \
         --circuits",
        first_reason(.reasons)
    )]
    NoCircuits {
        /// The folder.
        path: PathBuf,
        /// Why the ones that are there cannot be used.
        reasons: Vec<String>,
    },
    /// The data directory cannot be used.
    #[error(
        "cannot use the data directory {path}: {source}; pass a folder that can be written with --data-dir"
    )]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; pass another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another server uses the data directory.
    #[error(
        "another server uses the data directory {path}; stop it, or pass another one with --data-dir"
    )]
    DataDirInUse {
        /// The directory.
        path: PathBuf,
    },
}

fn first_reason(reasons: &[String]) -> String {
    reasons
        .first()
        .map_or_else(String::new, |reason| format!(" ({reason})"))
}

/// Why one circuit cannot be offered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnusableCircuit {
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    #[error(transparent)]
    Fhe(#[from] FheError),
    #[error("folder {folder} holds a circuit named {name}; give the folder that name")]
    Misnamed { folder: String, name: String },
    #[error(
        "parameter set {set} offers no security, so this server refuses it; train the circuit with a \
         secure one"
    )]
    Insecure { set: String },
}

/// Why a request failed. Its text is what the client reads, so it names no path of this machine.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    // The client's request is wrong.
    /// No such path.
    #[error("nothing is at {path}; the interface starts at {}", routes::CIRCUITS)]
    UnknownRoute {
        /// The path asked for.
        path: String,
    },
    /// No such method on this path.
    #[error("{path} does not take {method}; use a method of the Allow header")]
    MethodNotAllowed {
        /// The method used.
        method: String,
        /// The path asked for.
        path: String,
    },
    /// A path or query that cannot be understood.
    #[error("{reason}")]
    MalformedRequest {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The body stopped before its end.
    #[error("the body did not arrive whole; send the request again")]
    BodyInterrupted,
    /// The body is larger than anything of its kind.
    #[error("the body is larger than the {limit} bytes that the {what} can have; send only that")]
    TooLarge {
        /// What the body should be.
        what: &'static str,
        /// Its largest size.
        limit: usize,
    },
    /// No circuit of that name.
    #[error("there is no circuit {name:?} here; this server offers {known}")]
    UnknownCircuit {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The client has another version of the circuit.
    #[error(
        "circuit {name} is now at digest {current}; fetch its manifest and vocabulary again and encrypt anew"
    )]
    StaleCircuit {
        /// The circuit.
        name: String,
        /// Its digest.
        current: String,
    },
    /// No key of that id.
    #[error("evaluation key {id} is not registered here; register it and ask again")]
    UnknownKey {
        /// The id asked for.
        id: KeyId,
    },
    /// The key was here, but its file is damaged.
    #[error(
        "the stored copy of evaluation key {id} was damaged and is set aside; register it again"
    )]
    DamagedKey {
        /// The id asked for.
        id: KeyId,
    },
    /// The body's hash is not the id it was sent to.
    #[error(
        "the evaluation key was damaged in transit: it is not the one that {id} names; send it again"
    )]
    KeyMismatch {
        /// The id it was sent to.
        id: KeyId,
    },
    /// A parameter set that this server does not have.
    #[error("this server knows no parameter set {name:?}; make a key for one of: {known}")]
    UnknownParameterSet {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The key is of another parameter set than the circuit.
    #[error("the evaluation key is for parameter set {got}; make and register one for {expected}")]
    WrongKey {
        /// The circuit's set.
        expected: &'static str,
        /// The key's set.
        got: &'static str,
    },
    /// The body is no usable evaluation key.
    #[error("{0}")]
    Key(FheError),
    /// The body is no usable input of the circuit.
    #[error("{0}")]
    Input(FheError),

    // The operator has to act, or the client to wait.
    /// The queue of evaluations is full, or as many keys are being uploaded as may be.
    #[error("the server has as much work waiting as it accepts; try again in a second")]
    Busy,
    /// The circuit's folder is damaged.
    #[error(
        "circuit {name} is damaged on the server; ask its operator to restore it, or use another circuit"
    )]
    CircuitUnavailable {
        /// The circuit.
        name: String,
    },
    /// The data directory has no space left.
    #[error("the server's data directory is full; ask its operator to free space, then send again")]
    StorageFull,
    /// The data directory cannot be read or written.
    #[error(
        "the server cannot use its data directory; ask its operator to check it, then send again"
    )]
    StorageUnavailable,

    // A bug.
    /// Something that cannot happen happened; the log has the details.
    #[error("the server failed while it worked on this; tell its operator the request id")]
    Internal,
}

impl ServerError {
    /// An error of the data directory; the log gets the details, the client does not.
    pub(crate) fn storage(doing: &'static str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        tracing::error!(%error, doing, "the data directory cannot be used");
        match error.kind() {
            StorageFull | QuotaExceeded => Self::StorageFull,
            _ => Self::StorageUnavailable,
        }
    }

    /// Its problem document.
    pub fn problem(&self) -> Problem {
        use ProblemKind as Kind;
        let kind = match self {
            Self::UnknownRoute { .. } => Kind::UnknownRoute,
            Self::MethodNotAllowed { .. } => Kind::MethodNotAllowed,
            Self::MalformedRequest { .. } | Self::BodyInterrupted => Kind::MalformedRequest,
            Self::TooLarge { .. } => Kind::TooLarge,
            Self::UnknownCircuit { .. } => Kind::UnknownCircuit,
            Self::StaleCircuit { .. } => Kind::StaleCircuit,
            Self::UnknownKey { .. } | Self::DamagedKey { .. } => Kind::UnknownKey,
            Self::KeyMismatch { .. } => Kind::MalformedKey,
            Self::UnknownParameterSet { .. } | Self::WrongKey { .. } => Kind::WrongParameterSet,
            Self::Key(error) => fhe_kind(error, Kind::MalformedKey),
            Self::Input(error) => fhe_kind(error, Kind::MalformedInput),
            Self::Busy => Kind::Busy,
            Self::CircuitUnavailable { .. } => Kind::CircuitUnavailable,
            Self::StorageFull => Kind::StorageFull,
            Self::StorageUnavailable => Kind::StorageUnavailable,
            Self::Internal => Kind::Internal,
        };
        Problem::new(kind, self.to_string())
    }
}

/// The kind of an error in bytes from a client.
fn fhe_kind(error: &FheError, malformed: ProblemKind) -> ProblemKind {
    match error {
        FheError::Checksum { .. } | FheError::Malformed { .. } => malformed,
        FheError::TooLarge { .. } => ProblemKind::TooLarge,
        FheError::ParameterSet { .. } => ProblemKind::WrongParameterSet,
        FheError::Shape { .. } => ProblemKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_a_broken_one() {
        let status = |kind| {
            let error = ServerError::storage("testing", &Error::from(kind));
            error.problem().status
        };
        assert_eq!(status(ErrorKind::StorageFull), 507);
        assert_eq!(status(ErrorKind::QuotaExceeded), 507);
        assert_eq!(status(ErrorKind::ReadOnlyFilesystem), 503);
        assert_eq!(status(ErrorKind::PermissionDenied), 503);
    }

    #[test]
    fn only_a_bug_is_a_500() {
        assert_eq!(ServerError::Internal.problem().status, 500);
        assert_eq!(ServerError::Busy.problem().status, 429);
        let checksum = FheError::Checksum { what: "key" };
        assert_eq!(ServerError::Key(checksum).problem().status, 422);
    }
}
