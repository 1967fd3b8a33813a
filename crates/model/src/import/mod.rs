//! Weights from elsewhere as a circuit: a safetensors file, and a specification that says which tensors are which layers.
//!
//! [`import_circuit`] reads both, rounds the weights, calibrates ranges on texts, and writes an ordinary folder. Nothing is
//! trained: what rounding and noise cost is measured on texts that were not calibrated with, and said.

mod blame;
mod card;
mod checks;
mod classifier;
mod data;
mod error;
mod report;
mod spec;
mod transformer;
mod weights;

use std::ffi::OsStr;
use std::path::Path;

use cipherformer_circuit::{Circuit, estimate, is_circuit_name};

pub use error::ImportError;
pub use report::{ImportReport, ImportedLayer, Quality, WeightError};

use crate::error::ModelError;
use crate::golden;
use crate::output::Staging;
use spec::Spec;
use weights::Weights;

/// What to import, and how.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// The weights.
    pub safetensors: &'a Path,
    /// Which of them make which layers, in TOML.
    pub spec: &'a Path,
    /// Texts to calibrate ranges with: `text,label` for a classifier, one a line for a transformer.
    pub calibrate: &'a Path,
    /// Texts to measure on, and not to calibrate with; without them, a fifth of those to calibrate with is kept apart.
    pub evaluate: Option<&'a Path>,
    /// The folder to write; its name is the circuit's.
    pub out: &'a Path,
    /// Of the simulated noise.
    pub seed: u64,
    /// Whether a circuit that is there already may be replaced.
    pub replace: bool,
}

/// A circuit before it is written, and what was found on the way.
struct Imported {
    circuit: Circuit,
    layers: Vec<ImportedLayer>,
    quality: Quality,
    calibrated: usize,
    measured: usize,
    /// Of the calibration file, but measured on instead.
    shared: usize,
    left_out: usize,
    /// For golden vectors of a circuit that continues texts.
    texts: Vec<String>,
}

/// Imports a model and writes its folder: circuit, test vectors, model card.
///
/// # Errors
/// Anything that makes the weights, what is said of them, or the texts unusable; nothing is written then.
pub fn import_circuit(import: &Import<'_>) -> Result<ImportReport, ModelError> {
    let name = name(import)?;
    let spec = Spec::read(import.spec)?;
    let bytes = weights::read(import.safetensors)?;
    let weights = Weights::new(import.safetensors, &bytes)?;
    let staging = Staging::new(import.out)?;
    let imported = match &spec {
        Spec::Classifier(spec) => classifier::import(import, name, spec, weights),
        Spec::Transformer(spec) => transformer::import(import, name, spec, weights),
    }?;
    let circuit = &imported.circuit;
    circuit.save(staging.folder())?;
    let command = command(import);
    let vectors = golden::vectors(circuit, &imported.texts, command.clone())?;
    staging.write("test-vectors.json", &vectors)?;
    let report = ImportReport {
        circuit: circuit.manifest().name.clone(),
        out: import.out.to_owned(),
        digest: circuit.manifest().digest.clone(),
        parameter_set: circuit.parameters().name.to_owned(),
        layers: imported.layers,
        calibrated: imported.calibrated,
        measured: imported.measured,
        shared: imported.shared,
        left_out: imported.left_out,
        policy: circuit.manifest().output.policy,
        own_file: import.evaluate.is_some(),
        quality: imported.quality,
        estimate: estimate(circuit),
    };
    let card = card::write(circuit, import, &report, imported.texts.len(), &command);
    staging.write("MODEL_CARD.md", &card)?;
    staging.publish()?;
    Ok(report)
}

/// A path without its folders.
fn file_name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

/// The circuit is called as its folder.
fn name(import: &Import<'_>) -> Result<String, ImportError> {
    let name = file_name(import.out).to_string_lossy().into_owned();
    if !is_circuit_name(&name) {
        return Err(ImportError::Name { name });
    }
    if import.out.exists() && !import.replace {
        let path = import.out.to_owned();
        return Err(ImportError::Exists { path });
    }
    Ok(name)
}

/// The command that does this import again, where the files are: folders do not matter to those who get the circuit.
fn command(import: &Import<'_>) -> String {
    let quoted = |path: &Path| crate::regenerate::quoted(Path::new(file_name(path)));
    let mut command = format!(
        "cargo run --release --bin cipherformer-model -- import --safetensors {} --spec {} --calibrate {} --out {} --seed {}",
        quoted(import.safetensors),
        quoted(import.spec),
        quoted(import.calibrate),
        quoted(import.out),
        import.seed,
    );
    if let Some(path) = import.evaluate {
        command.push_str(&format!(" --evaluate {}", quoted(path)));
    }
    command
}
