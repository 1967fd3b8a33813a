//! The circuits on offer: what everybody gets of them, and what stays.

use std::fs;
use std::io;
use std::path::Path;

use cipherformer_circuit::Circuit;
use serde::Serialize;

/// A circuit's folder.
#[derive(Clone, Debug, Serialize)]
pub struct CircuitLook {
    /// The folder's name.
    pub name: String,
    /// SHA-256 of the whole circuit, which was checked.
    pub digest: Option<String>,
    /// The parameter set of its keys and ciphertexts.
    pub parameter_set: Option<String>,
    /// Why it cannot be offered.
    pub problem: Option<String>,
    /// Its files.
    pub files: Vec<CircuitFile>,
}

/// A file of a circuit.
#[derive(Clone, Debug, Serialize)]
pub struct CircuitFile {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Whether everybody gets it who asks.
    pub public: bool,
    /// What it holds.
    pub what: &'static str,
}

/// All folders with a manifest, in order of their names.
pub(super) fn all(folder: &Path) -> io::Result<Vec<CircuitLook>> {
    let mut circuits = Vec::new();
    for item in fs::read_dir(folder)? {
        let item = item?;
        let name = item.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && item.path().join("manifest.json").exists() {
            circuits.push(look(&item.path(), name)?);
        }
    }
    circuits.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(circuits)
}

fn look(folder: &Path, name: String) -> io::Result<CircuitLook> {
    let mut files = Vec::new();
    for item in fs::read_dir(folder)? {
        let item = item?;
        if item.file_type()?.is_file() {
            files.push(file(
                item.file_name().to_string_lossy().into_owned(),
                item.metadata()?.len(),
            ));
        }
    }
    files.sort_by(|a, b| (!a.public, &a.name).cmp(&(!b.public, &b.name)));
    let (digest, parameter_set, problem) = match Circuit::load(folder) {
        Ok(circuit) => {
            let manifest = circuit.manifest();
            let set = manifest.parameter_set.clone();
            (Some(manifest.digest.clone()), Some(set), None)
        }
        Err(error) => (None, None, Some(error.to_string())),
    };
    Ok(CircuitLook {
        name,
        digest,
        parameter_set,
        problem,
        files,
    })
}

fn file(name: String, bytes: u64) -> CircuitFile {
    let (public, what) = match name.as_str() {
        "manifest.json" => (true, "layout of inputs and outputs, parameter set, digest"),
        "vocabulary.txt" => (true, "the features or tokens that inputs are made of"),
        "body.json" => (false, "the layers, without their numbers"),
        "weights.safetensors" => (false, "integers, steps and biases of every layer"),
        "test-vectors.json" => (false, "inputs and the outputs they must give; not served"),
        "MODEL_CARD.md" => (false, "for people; not served"),
        _ => (false, "unknown; not served"),
    };
    CircuitFile {
        name,
        bytes,
        public,
        what,
    }
}
