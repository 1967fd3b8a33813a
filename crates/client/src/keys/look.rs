//! What a home holds, for its owner to see. No file is read but those that are not secret.

use std::fs;
use std::path::{Path, PathBuf};

use cipherformer_circuit::{ParameterSet, parameters};
use serde::Serialize;

use super::files::{self, fault};
use super::pair::{EVALUATION, Pair, RECORD, SEALED, SECRET};
use super::registrations::Registrations;
use super::{KeyHome, KeyRecord};
use crate::error::ClientError;

/// All that this computer keeps.
#[derive(Clone, Debug, Serialize)]
pub struct HomeLook {
    /// The home's folder.
    pub folder: PathBuf,
    /// Its pairs of keys, in order of their sets' names.
    pub keys: Vec<PairLook>,
    /// Which keys may be with which servers.
    pub registrations: Registrations,
}

/// A pair of keys.
#[derive(Clone, Debug, Serialize)]
pub struct PairLook {
    /// The parameter set: the folder's name.
    pub parameter_set: String,
    /// What `key.json` says.
    pub record: Option<KeyRecord>,
    /// Why that cannot be read.
    pub problem: Option<String>,
    /// The files of the folder.
    pub files: Vec<FileLook>,
}

/// A file.
#[derive(Clone, Debug, Serialize)]
pub struct FileLook {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub what: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Who may read and write it, in octal, where files have such bits.
    pub mode: Option<String>,
}

impl KeyHome {
    /// What there is, without secret bits, and without asking for passphrases.
    ///
    /// # Errors
    /// Folders that cannot be read.
    pub fn look(&self) -> Result<HomeLook, ClientError> {
        let mut keys = Vec::new();
        for set in self.sets()? {
            let pair = self.pair(set);
            let (record, problem) = match pair.record(set) {
                Ok(record) => (Some(record), None),
                Err(error) => (None, Some(error.to_string())),
            };
            keys.push(PairLook {
                parameter_set: set.name.to_owned(),
                record,
                problem,
                files: files_of(&pair)?,
            });
        }
        Ok(HomeLook {
            folder: self.folder.clone(),
            keys,
            registrations: self.registrations()?,
        })
    }

    /// What may be shown of the pair of a set; nothing but that is read.
    pub(crate) fn record(
        &self,
        parameters: &'static ParameterSet,
    ) -> Result<KeyRecord, ClientError> {
        self.read(parameters, |_, record| Ok(record.clone()))?
            .ok_or_else(|| ClientError::NoKeys {
                folder: self.folder(parameters),
            })
    }

    /// The same of all pairs there are, and of what interrupted rotations left.
    pub(crate) fn records(&self) -> Result<Vec<KeyRecord>, ClientError> {
        let mut records = Vec::new();
        for set in self.sets()? {
            let pairs = [self.pair(set), self.next(set), self.retired(set)];
            records.extend(pairs.iter().filter_map(|pair| pair.record(set).ok()));
        }
        Ok(records)
    }

    /// The parameter sets that have a folder.
    fn sets(&self) -> Result<Vec<&'static ParameterSet>, ClientError> {
        let folder = self.keys_folder();
        if !folder.try_exists().map_err(fault("read", &folder))? {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&folder).map_err(fault("read", &folder))?;
        let names = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let name = name.strip_prefix(".next-").unwrap_or(&name);
            let name = name.strip_prefix(".retired-").unwrap_or(name);
            entry.path().is_dir().then(|| parameters::by_name(name))?
        });
        let mut sets: Vec<_> = names.collect();
        sets.sort_by_key(|set| set.name);
        sets.dedup_by_key(|set| set.name);
        Ok(sets)
    }
}

fn files_of(pair: &Pair) -> Result<Vec<FileLook>, ClientError> {
    if !pair.0.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&pair.0).map_err(fault("read", &pair.0))?;
    let mut all: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Some(file(&entry.path(), &entry.metadata().ok()?)))
        .collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

fn file(path: &Path, metadata: &fs::Metadata) -> FileLook {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    FileLook {
        path: path.to_owned(),
        what: match &*name {
            SECRET => {
                "the secret key, open to whoever can read the file; it never leaves this computer"
            }
            SEALED => "the secret key under its passphrase; it never leaves this computer",
            EVALUATION => "the evaluation key: servers get a copy, and open nothing with it",
            RECORD => "what may be shown of the two keys",
            _ => "not written by this program",
        },
        bytes: metadata.len(),
        mode: files::mode(metadata).map(|mode| format!("{mode:03o}")),
    }
}
