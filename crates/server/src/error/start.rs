//! What keeps a server from starting, or from offering a circuit.

use std::net::SocketAddr;
use std::path::PathBuf;

use cipherformer_circuit::CircuitError;
use cipherformer_fhe::FheError;

use crate::error::{TlsError, TokenError};

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
    /// A policy for a circuit that is not there.
    #[error(
        "there is an output policy for circuit {name}, but {path} has no such circuit; correct the name in the \
         configuration or in --output"
    )]
    PolicyWithoutCircuit {
        /// The circuit.
        name: String,
        /// The folder of circuits.
        path: PathBuf,
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
    /// The database is of a version that this program does not know.
    #[error(
        "{path} has version {version}, which is newer than this program; run the newer one, or pass another \
         folder with --data-dir"
    )]
    NewerDatabase {
        /// The database.
        path: PathBuf,
        /// Its version.
        version: i64,
    },
    /// TLS cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file of tokens cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokenError),
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
