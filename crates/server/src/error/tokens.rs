//! What is wrong with a file of tokens.

use std::path::PathBuf;

/// Why a file of tokens cannot be used or changed. For the operator to solve.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is no file.
    #[error(
        "there is no file of tokens {path}; make one with `cipherformer-server tokens add --file {path} \
         --name NAME`"
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("cannot {action} the file of tokens {path}: {source}; check its permissions")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others can read or write the file.
    #[error(
        "other users may read or write the file of tokens {path} (mode {mode:03o}); run `chmod 600 {path}`, \
         and look at `tokens list` if someone could have written to it"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold tokens.
    #[error("{path}, line {line}: {reason}; mend it, or restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A name that cannot be used.
    #[error(
        "{name:?} cannot name a token; use 1 to 64 letters, digits, dots, underscores and hyphens"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// There is a token of that name.
    #[error(
        "there is a token {name} already; take another name, or revoke that one first (the new one then owns \
         the keys and sessions of the old one)"
    )]
    NameTaken {
        /// The name.
        name: String,
    },
    /// There is no token of that name.
    #[error("there is no token {name}; there are: {known}")]
    UnknownName {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
}
