//! What is wrong with a configuration.

use std::path::PathBuf;

/// Why a configuration cannot be used. For its operator to solve.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {source}; pass another one with --config")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file says something that cannot be used.
    #[error("{path}, line {line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Flags or variables that cannot be used, or a field that nothing gives; or a wish for help.
    #[error(transparent)]
    Usage(#[from] clap::Error),
}
