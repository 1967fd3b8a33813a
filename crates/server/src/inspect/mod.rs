//! `inspect`: all that a server has, and that none of it opens a ciphertext.
//!
//! Works on the files alone, writes nothing and takes no lock, so a server may be running on them. Every file of
//! the data directory is read to its last byte and held against what it should be:
//!
//! - an evaluation key must have the hash in its name, parse as a key of its parameter set with the right
//!   dimensions, and consist of nothing but its parts: what is read is written again, and must be the same bytes;
//! - a session must be of the type that sessions have;
//! - no file may be a secret key, contain the name that every stored one carries, contain a file of the format
//!   that clients protect them in, or contain its bits in the form in which they are stored;
//! - the bodies of all ciphertexts should look random, which chi-square tells of their bytes.
//!
//! What this cannot show: that random-looking bytes are not a key in some form of their own. A server that
//! follows the protocol never gets one.

mod circuits;
mod database;
mod files;
mod key;
mod scan;
mod text;
mod uniform;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::TokenError;
use crate::tokens::{TokenEntry, TokenFile};
pub use circuits::{CircuitFile, CircuitLook};
pub use database::{RegistrationLook, SessionLook, Tables, UsageLook};
pub use files::StoredFile;
pub use key::{KeyLook, PartLook};
pub use uniform::Uniformity;

/// What to inspect.
#[derive(Clone, Debug, clap::Args)]
pub struct Inspect {
    /// Folder of what the server stores
    #[arg(long, value_name = "DIR", env = "CIPHERFORMER_DATA_DIR")]
    pub data_dir: PathBuf,

    /// Folder whose subfolders are the circuits on offer
    #[arg(long, value_name = "DIR", env = "CIPHERFORMER_CIRCUITS")]
    pub circuits: Option<PathBuf>,

    /// File of the tokens that clients must bring, as the server's --tokens names it
    #[arg(long, value_name = "FILE", env = "CIPHERFORMER_TOKENS")]
    pub tokens: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// All that a server has.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The folder that was read.
    pub data_dir: PathBuf,
    /// The circuits, if their folder was named.
    pub circuits: Vec<CircuitLook>,
    /// Every file of the data directory.
    pub files: Vec<StoredFile>,
    /// The evaluation keys among them.
    pub keys: Vec<KeyLook>,
    /// What the database says.
    pub tables: Tables,
    /// What is kept of tokens, if their file was named: hashes, which open nothing either.
    pub tokens: Vec<TokenEntry>,
    /// What should not be there; none of it, and none of the rest opens a ciphertext.
    pub findings: Vec<Finding>,
}

/// Something that should not be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// A folder cannot be read.
    #[error(
        "cannot read {path}: {source}; pass the folder with {option}, as a user who may read it"
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What names it.
        option: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file of tokens cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokenError),
}

impl Inspect {
    /// Reads everything.
    ///
    /// # Errors
    /// Folders that cannot be read. A file that cannot is a finding.
    pub fn run(&self) -> Result<Inspection, InspectError> {
        let mut findings = Vec::new();
        let files = files::all(&self.data_dir, &mut findings)
            .map_err(unreadable(&self.data_dir, "--data-dir"))?;
        let keys = key::all(&self.data_dir, &files, &mut findings);
        let tables = database::look(&self.data_dir, &mut findings);
        let circuits = match &self.circuits {
            Some(folder) => circuits::all(folder).map_err(unreadable(folder, "--circuits"))?,
            None => Vec::new(),
        };
        let tokens = match &self.tokens {
            Some(file) => TokenFile::new(file).list()?,
            None => Vec::new(),
        };
        Ok(Inspection {
            data_dir: self.data_dir.clone(),
            circuits,
            files,
            keys,
            tables,
            tokens,
            findings,
        })
    }
}

impl Inspection {
    /// Whether everything is what it should be, and nothing is a secret key.
    pub fn opens_nothing(&self) -> bool {
        self.findings.is_empty()
    }

    /// One JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data")
    }
}

fn unreadable(path: &Path, option: &'static str) -> impl FnOnce(std::io::Error) -> InspectError {
    move |source| InspectError::Folder {
        path: path.to_owned(),
        option,
        source,
    }
}
