//! The circuits a server offers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cipherformer_circuit::Circuit;
use cipherformer_fhe::PreparedCircuit;

use crate::error::{OpenError, ServerError};

/// Circuits by name: prepared ones, and those that could not be loaded.
#[derive(Debug, Default)]
pub(crate) struct Circuits {
    ready: BTreeMap<String, Arc<PreparedCircuit>>,
    damaged: Vec<String>,
}

impl Circuits {
    /// Loads every subfolder that has a manifest. A damaged one is logged and left out.
    pub(crate) fn load(folder: &Path, allow_insecure: bool) -> Result<Self, OpenError> {
        let unreadable = |source| OpenError::Circuits {
            path: folder.to_owned(),
            source,
        };
        let mut circuits = Self::default();
        for entry in folder.read_dir().map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let hidden = entry_name(&path).starts_with('.'); // a circuit being written
            if hidden || !path.join("manifest.json").exists() {
                continue;
            }
            match prepare(&path, allow_insecure) {
                Ok(prepared) => {
                    let name = prepared.circuit().manifest().name.clone();
                    tracing::info!(circuit = name, "loaded");
                    circuits.ready.insert(name, Arc::new(prepared));
                }
                Err(error) => {
                    tracing::error!("{error}");
                    circuits.damaged.push(entry_name(&path));
                }
            }
        }
        if circuits.ready.is_empty() {
            return Err(OpenError::NoCircuit {
                path: folder.to_owned(),
            });
        }
        Ok(circuits)
    }

    /// All usable circuits, in order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Circuit> {
        self.ready.values().map(|prepared| prepared.circuit())
    }

    pub(crate) fn get(&self, name: &str) -> Result<&Arc<PreparedCircuit>, ServerError> {
        if let Some(circuit) = self.ready.get(name) {
            return Ok(circuit);
        }
        if self.damaged.iter().any(|damaged| damaged == name) {
            return Err(ServerError::CircuitUnavailable {
                name: name.to_owned(),
            });
        }
        let known: Vec<&str> = self.ready.keys().map(String::as_str).collect();
        Err(ServerError::UnknownCircuit {
            name: name.chars().take(64).collect(),
            known: known.join(", "),
        })
    }
}

fn entry_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn prepare(path: &Path, allow_insecure: bool) -> Result<PreparedCircuit, String> {
    let circuit = Circuit::load(path).map_err(|error| error.to_string())?;
    let parameters = circuit.parameters();
    if parameters.security_bits == 0 && !allow_insecure {
        return Err(format!(
            "{}: parameter set {} has no security and is not served",
            path.display(),
            parameters.name
        ));
    }
    PreparedCircuit::new(Arc::new(circuit)).map_err(|error| format!("{}: {error}", path.display()))
}
