//! A circuit as a folder of files: the public manifest and vocabulary, and the private body.
//!
//! | file | public | content |
//! |---|---|---|
//! | `manifest.json` | yes | [`Manifest`] |
//! | `vocabulary.txt` | yes | one feature a line |
//! | `body.json` | no | the layers, in order, without their numbers |
//! | `weights.safetensors` | no | integers, steps and biases of every layer |

mod classifier;
mod transformer;

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::circuit::{Body, Circuit, Description};
use crate::error::CircuitError;
use crate::features::Vocabulary;
use crate::manifest::{FORMAT, InputKind, Manifest};

const MANIFEST: &str = "manifest.json";
const VOCABULARY: &str = "vocabulary.txt";
const BODY: &str = "body.json";
const WEIGHTS: &str = "weights.safetensors";

/// No file of a circuit may be larger; checked before reading.
const MAX_FILE_BYTES: u64 = 256 << 20;

impl Circuit {
    /// Writes the circuit's files into a folder, which is made if missing.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), CircuitError> {
        fs::create_dir_all(folder).map_err(|source| file_error(folder, source))?;
        let (body, weights) = match self.body() {
            Body::Classifier(model) => classifier::write(model),
            Body::Transformer(model) => transformer::write(model),
        };
        write(folder, MANIFEST, &pretty_json(self.manifest()))?;
        write(folder, VOCABULARY, self.vocabulary().to_text().as_bytes())?;
        write(folder, BODY, &body)?;
        write(folder, WEIGHTS, &weights)
    }

    /// Reads a folder and checks everything: formats, shapes, noise, digest.
    ///
    /// # Errors
    /// A missing, damaged or inconsistent file, or whatever [`Circuit::new`] refuses.
    pub fn load(folder: &Path) -> Result<Self, CircuitError> {
        let manifest: Manifest = read_json(folder, MANIFEST)?;
        check_format(folder, MANIFEST, manifest.format)?;
        let vocabulary = read_vocabulary(folder, &manifest)?;
        let body: Body = match manifest.input.kind {
            InputKind::Bag => classifier::read(folder)?.into(),
            InputKind::Tokens => transformer::read(folder)?.into(),
        };
        let description = Description::of(&manifest);
        let circuit = Self::new(description, vocabulary, body).map_err(|error| match error {
            CircuitError::UnknownParameters { .. } => error,
            error => damaged(folder, WEIGHTS, error.to_string()),
        })?;
        circuit.check_manifest(folder, manifest)?;
        Ok(circuit)
    }

    /// Whether the manifest that was read is the one that the other files give.
    fn check_manifest(&self, folder: &Path, read: Manifest) -> Result<(), CircuitError> {
        let made = self.manifest();
        if made.digest != read.digest {
            return Err(CircuitError::Digest {
                path: folder.to_owned(),
                expected: read.digest,
                got: made.digest.clone(),
            });
        }
        if *made != read {
            let reason = "its sizes or scales are not those of the other files".to_owned();
            return Err(damaged(folder, MANIFEST, reason));
        }
        Ok(())
    }
}

fn check_format(folder: &Path, file: &str, format: u32) -> Result<(), CircuitError> {
    if format == FORMAT {
        return Ok(());
    }
    let reason = format!("format {format} is not {FORMAT}, which this build reads");
    Err(damaged(folder, file, reason))
}

/// The hash in the manifest tells a damaged vocabulary from any other damage.
fn read_vocabulary(folder: &Path, manifest: &Manifest) -> Result<Vocabulary, CircuitError> {
    let bad = |reason: String| damaged(folder, VOCABULARY, reason);
    let text = String::from_utf8(read(folder, VOCABULARY)?).map_err(|e| bad(e.to_string()))?;
    let layout = &manifest.input;
    let vocabulary = Vocabulary::from_text(&text, layout.max_features, layout.min_count)
        .map_err(|error| bad(error.to_string()))?;
    if vocabulary.sha256() != layout.vocabulary_sha256 {
        let reason = format!("its SHA-256 is not {}", layout.vocabulary_sha256);
        return Err(bad(reason));
    }
    Ok(vocabulary)
}

fn tensor<'a>(
    tensors: &SafeTensors<'a>,
    name: &str,
    dtype: Dtype,
    axes: usize,
) -> Result<TensorView<'a>, String> {
    let view = tensors.tensor(name).map_err(|error| error.to_string())?;
    if view.dtype() != dtype || view.shape().len() != axes {
        let (got, shape) = (view.dtype(), view.shape());
        return Err(format!(
            "{name}: expected {dtype:?} with {axes} axes, got {got:?} {shape:?}"
        ));
    }
    Ok(view)
}

fn pretty_json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_string_pretty(value).expect("plain data");
    text.push('\n');
    text.into_bytes()
}

fn read_json<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T, CircuitError> {
    serde_json::from_slice(&read(folder, name)?)
        .map_err(|error| damaged(folder, name, error.to_string()))
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, CircuitError> {
    let path = folder.join(name);
    let length = fs::metadata(&path)
        .map_err(|source| file_error(&path, source))?
        .len();
    if length > MAX_FILE_BYTES {
        let reason = format!("{length} bytes, at most {MAX_FILE_BYTES} are accepted");
        return Err(damaged(folder, name, reason));
    }
    fs::read(&path).map_err(|source| file_error(&path, source))
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), CircuitError> {
    let path = folder.join(name);
    fs::write(&path, bytes).map_err(|source| file_error(&path, source))
}

fn file_error(path: &Path, source: std::io::Error) -> CircuitError {
    CircuitError::File {
        path: path.to_owned(),
        source,
    }
}

fn damaged(folder: &Path, name: &str, reason: String) -> CircuitError {
    let path: PathBuf = folder.join(name);
    CircuitError::Damaged { path, reason }
}
