//! What can be wrong with a circuit.

use std::path::PathBuf;

/// Why a circuit cannot be built, loaded or evaluated.
#[derive(Debug, thiserror::Error)]
pub enum CircuitError {
    /// A file of the circuit's folder cannot be read or written.
    #[error("cannot access {path}: {source}; check that the circuit folder is complete")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is there but does not say what it should.
    #[error("{path} is damaged: {reason}; restore the folder or train the circuit again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder's content is not what the manifest's digest names.
    #[error(
        "{path} does not match its digest, so one of its files is damaged: expected {expected}, got \
         {got}; restore the folder or train the circuit again"
    )]
    Digest {
        /// The folder.
        path: PathBuf,
        /// The manifest's digest.
        expected: String,
        /// The digest of what is there.
        got: String,
    },
    /// The manifest names parameters this build does not have.
    #[error("unknown parameter set {name:?}; this build knows {known}")]
    UnknownParameters {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// Tensors that do not fit together.
    #[error("{layer}: expected {expected}, got {got}")]
    Shape {
        /// The layer.
        layer: String,
        /// What would fit.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A number that no circuit can hold.
    #[error("{layer}: {reason}")]
    Value {
        /// The layer.
        layer: String,
        /// What is wrong.
        reason: String,
    },
    /// The guard bands alone are wider than the range.
    #[error(
        "{layer}: no scale leaves room for the guard band: the noise is too large for this parameter set by \
         {bits:.1} bits; use fewer or smaller weights, or another parameter set"
    )]
    NoRoom {
        /// The layer.
        layer: String,
        /// log2 of what guard bands and values need, of what there is.
        bits: f64,
    },
    /// The noise would carry values past their guard band too often.
    #[error(
        "{layer}: noise would exceed the guard band with probability 2^{got:.1}, at most 2^{limit} is \
         accepted; use fewer or smaller weights, or another parameter set"
    )]
    NoiseBudget {
        /// The layer.
        layer: String,
        /// log2 of the predicted probability.
        got: f64,
        /// log2 of the accepted probability.
        limit: f64,
    },
    /// A vocabulary that cannot be used.
    #[error("vocabulary: {reason}")]
    Vocabulary {
        /// What is wrong.
        reason: String,
    },
    /// An input the circuit does not take.
    #[error("{reason}")]
    Input {
        /// What is wrong and what to do.
        reason: String,
    },
}
