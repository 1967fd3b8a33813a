//! What can go wrong for a model owner.

use std::io;
use std::path::PathBuf;

use cipherformer_circuit::{CircuitError, TuneError};
use cipherformer_fhe::FheError;

use crate::import::ImportError;

/// Why a circuit cannot be trained, evaluated or written.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A data file or an output folder cannot be read or written.
    #[error("cannot {action} {path}: {source}; check the path and its permissions")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A data file that does not hold labelled texts.
    #[error("{path}{}: {reason}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Data {
        /// The file.
        path: PathBuf,
        /// The line, from 1, where known.
        line: Option<u64>,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A circuit that this program has no recipe for.
    #[error("there is no recipe for a circuit called {name:?}; known circuits: {known}")]
    UnknownCircuit {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A circuit whose training has no cross-validation.
    #[error(
        "{name} cannot be cross-validated, as it is measured on names kept apart for that; leave out \
         --cross-validate"
    )]
    NoCrossValidation {
        /// Its name.
        name: String,
    },
    /// A folder that training must not replace.
    #[error("{path} {reason}; choose another folder with --out")]
    Output {
        /// The folder.
        path: PathBuf,
        /// Why it must stay.
        reason: String,
    },
    /// A noise that no circuit can have.
    #[error(
        "{percent} % is no noise; give --input-noise as a percentage of an input's range, such as 0.5"
    )]
    InputNoise {
        /// What was asked for.
        percent: f64,
    },
    /// Weights from elsewhere that cannot become a circuit.
    #[error(transparent)]
    Import(Box<ImportError>),
    /// No parameters will do for a circuit.
    #[error(transparent)]
    Tune(#[from] TuneError),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Threads(String),
    /// A circuit that cannot be built or loaded.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    /// The encrypted evaluation failed.
    #[error(transparent)]
    Fhe(#[from] FheError),
    /// The training library failed: a bug, or too little memory.
    #[error("training failed: {0}; please report this")]
    Training(#[from] candle_core::Error),
}

impl From<ImportError> for ModelError {
    fn from(error: ImportError) -> Self {
        Self::Import(Box::new(error))
    }
}
