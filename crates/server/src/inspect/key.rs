//! Stored evaluation keys, taken to pieces.

use std::fs;
use std::path::{Path, PathBuf};

use cipherformer_circuit::parameters;
use cipherformer_fhe::{Component, SeededEvaluationKey};
use cipherformer_protocol::KeyId;
use serde::Serialize;

use super::Finding;
use super::files::StoredFile;
use super::uniform::Uniformity;

/// An evaluation key.
#[derive(Clone, Debug, Serialize)]
pub struct KeyLook {
    /// Its id: the SHA-256 of the file, which was computed and is right.
    pub id: KeyId,
    /// Its parameter set, whose dimensions all its parts have.
    pub parameter_set: String,
    /// Security of that set in bits.
    pub security_bits: u32,
    /// Its size.
    pub bytes: u64,
    /// Bytes that are no bodies: checksum, versions, names, lengths, seeds of masks.
    pub other_bytes: u64,
    /// What it consists of.
    pub parts: Vec<PartLook>,
}

/// A part of an evaluation key.
#[derive(Clone, Debug, Serialize)]
pub struct PartLook {
    /// Its name.
    pub name: &'static str,
    /// What its ciphertexts encrypt.
    pub encrypts: &'static str,
    /// Under which key, which the server does not have.
    pub under: &'static str,
    /// Bytes of its bodies.
    pub bytes: u64,
    /// Whether they look random.
    pub uniformity: Uniformity,
}

/// All keys among the files that are what they should be. The others are findings.
pub(super) fn all(root: &Path, files: &[StoredFile], findings: &mut Vec<Finding>) -> Vec<KeyLook> {
    let mut keys = Vec::new();
    for file in files {
        let Some((set, id)) = place(&file.path) else {
            continue;
        };
        match look(&root.join(&file.path), &set, &id) {
            Ok(Some((key, odd))) => {
                keys.push(key);
                findings.extend(odd.into_iter().map(|what| finding(&file.path, what)));
            }
            Ok(None) => {}
            Err(what) => findings.push(finding(&file.path, what)),
        }
    }
    keys
}

fn finding(file: &Path, what: String) -> Finding {
    Finding {
        file: file.to_owned(),
        what,
    }
}

/// Parameter set and name of a key's file; damaged keys that were set aside are none.
fn place(path: &Path) -> Option<(String, String)> {
    let mut parts = path.iter().map(|part| part.to_string_lossy().into_owned());
    let (keys, set, name) = (parts.next()?, parts.next()?, parts.next()?);
    let is_key = keys == "keys" && parts.next().is_none() && !name.ends_with(".damaged");
    is_key.then_some((set, name))
}

/// Takes a key to pieces; `None` if it is gone by now. Besides, what is odd about it.
fn look(path: &PathBuf, set: &str, id: &str) -> Result<Option<(KeyLook, Vec<String>)>, String> {
    let parameters = parameters::by_name(set)
        .ok_or_else(|| format!("{set:?} is no parameter set that this build knows"))?;
    let id: KeyId = id.parse().map_err(|_| "its name is no key id".to_owned())?;
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("it cannot be read: {error}")),
    };
    if KeyId::of(&bytes) != id {
        return Err("it is damaged: its SHA-256 is not its name".to_owned());
    }
    let key = SeededEvaluationKey::from_bytes(&bytes, parameters)
        .map_err(|error| format!("it is no evaluation key: {error}"))?;
    let parts: Vec<PartLook> = key.components().iter().map(part).collect();
    let mut odd: Vec<String> = parts
        .iter()
        .filter(|part| !part.uniformity.looks_random())
        .map(|part| format!("the bodies of its {} do not look random", part.name))
        .collect();
    if key.to_bytes() != bytes {
        odd.push("it has bytes that are no part of an evaluation key".to_owned());
    }
    let bodies: u64 = parts.iter().map(|part| part.bytes).sum();
    let look = KeyLook {
        id,
        parameter_set: set.to_owned(),
        security_bits: parameters.security_bits,
        bytes: bytes.len() as u64,
        other_bytes: bytes.len() as u64 - bodies,
        parts,
    };
    Ok(Some((look, odd)))
}

fn part(component: &Component<'_>) -> PartLook {
    PartLook {
        name: component.name,
        encrypts: component.encrypts,
        under: component.under,
        bytes: component.bytes() as u64,
        uniformity: Uniformity::of_words(component.words),
    }
}
