//! The circuits on offer, loaded and prepared once, when the server starts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cipherformer_circuit::{
    Circuit, CircuitError, Manifest, OutputPolicy, ParameterSet, parameters,
};
use cipherformer_fhe::{EncryptedBag, PreparedCircuit, size_limit};
use cipherformer_protocol::CircuitSummary;

use crate::error::{ServerError, StartError, UnusableCircuit};

/// Every circuit of the folder, by name.
#[derive(Debug)]
pub(crate) struct Circuits(BTreeMap<String, Entry>);

#[derive(Debug)]
enum Entry {
    Offered(Arc<PreparedCircuit>),
    Damaged,
}

impl Circuits {
    /// Loads every subfolder with a manifest. A damaged one is reported and kept by name only, so that
    /// clients learn that it is not their mistake.
    ///
    /// # Errors
    /// A folder that cannot be read, or without a single usable circuit.
    pub(crate) fn load(
        folder: &Path,
        policies: &BTreeMap<String, OutputPolicy>,
        allow_insecure: bool,
    ) -> Result<Self, StartError> {
        let unreadable = |source| StartError::CircuitsFolder {
            path: folder.to_owned(),
            source,
        };
        let mut entries = BTreeMap::new();
        let mut reasons = Vec::new();
        for item in fs::read_dir(folder).map_err(unreadable)? {
            let item = item.map_err(unreadable)?;
            let name = item.file_name().to_string_lossy().into_owned();
            // Training writes into hidden folders.
            if name.starts_with('.') || !item.path().join("manifest.json").exists() {
                continue;
            }
            let entry = load(&item.path(), &name, policies.get(&name), allow_insecure);
            let entry = entry.unwrap_or_else(|error| {
                tracing::error!(circuit = name, %error, "circuit skipped");
                reasons.push(error.to_string());
                Entry::Damaged
            });
            entries.insert(name, entry);
        }
        if let Some(name) = policies.keys().find(|name| !entries.contains_key(*name)) {
            let (name, path) = (name.clone(), folder.to_owned());
            return Err(StartError::PolicyWithoutCircuit { name, path });
        }
        if entries.len() == reasons.len() {
            return Err(StartError::NoCircuits {
                path: folder.to_owned(),
                reasons,
            });
        }
        Ok(Self(entries))
    }

    /// The circuit of this name.
    pub(crate) fn get(&self, name: &str) -> Result<&Arc<PreparedCircuit>, ServerError> {
        match self.0.get(name) {
            Some(Entry::Offered(circuit)) => Ok(circuit),
            Some(Entry::Damaged) => Err(ServerError::CircuitUnavailable {
                name: name.to_owned(),
            }),
            None => Err(ServerError::UnknownCircuit {
                name: name.chars().take(64).collect(),
                known: self.names(),
            }),
        }
    }

    /// One line for each circuit on offer.
    pub(crate) fn summaries(&self) -> Vec<CircuitSummary> {
        let summary = |manifest: &Manifest| CircuitSummary {
            name: manifest.name.clone(),
            description: manifest.description.clone(),
            digest: manifest.digest.clone(),
            parameter_set: manifest.parameter_set.clone(),
        };
        let offered = self.offered();
        offered
            .map(|circuit| summary(circuit.circuit().manifest()))
            .collect()
    }

    /// The sets with a name of their own, and those that tuning found for circuits that are offered.
    pub(crate) fn parameter_sets(&self) -> Vec<&'static ParameterSet> {
        let mut sets = parameters::ALL.to_vec();
        for circuit in self.offered() {
            let set = circuit.circuit().parameters();
            if !sets.iter().any(|known| known.name == set.name) {
                sets.push(set);
            }
        }
        sets
    }

    fn names(&self) -> String {
        let names = self.offered().map(|c| c.circuit().manifest().name.as_str());
        names.collect::<Vec<_>>().join(", ")
    }

    /// Those that can be used.
    pub(crate) fn offered(&self) -> impl Iterator<Item = &Arc<PreparedCircuit>> {
        self.0.values().filter_map(|entry| match entry {
            Entry::Offered(circuit) => Some(circuit),
            Entry::Damaged => None,
        })
    }
}

/// The most bytes an input of this circuit can have.
pub(crate) fn input_limit(circuit: &Circuit) -> usize {
    let entries = circuit.manifest().input.entries;
    size_limit(circuit.parameters().request_bytes(entries))
}

/// Reads an input of this circuit.
pub(crate) fn input(circuit: &Circuit, bytes: &[u8]) -> Result<EncryptedBag, ServerError> {
    let entries = circuit.manifest().input.entries;
    EncryptedBag::from_bytes(bytes, entries, circuit.parameters()).map_err(ServerError::Input)
}

/// A circuit, under the operator's output policy if there is one.
fn load(
    folder: &Path,
    folder_name: &str,
    policy: Option<&OutputPolicy>,
    allow_insecure: bool,
) -> Result<Entry, UnusableCircuit> {
    let circuit = Circuit::load(folder).map_err(explain)?;
    let circuit = match policy {
        Some(&policy) => circuit.with_policy(policy)?,
        None => circuit,
    };
    let parameters = circuit.parameters();
    if parameters.security_bits == 0 && !allow_insecure {
        return Err(UnusableCircuit::Insecure {
            set: parameters.name.to_owned(),
        });
    }
    let name = &circuit.manifest().name;
    if name != folder_name {
        return Err(UnusableCircuit::Misnamed {
            folder: folder_name.to_owned(),
            name: name.clone(),
        });
    }
    tracing::info!(
        circuit = name,
        digest = circuit.manifest().digest,
        output = %circuit.manifest().output.policy,
        "circuit loaded"
    );
    Ok(Entry::Offered(Arc::new(PreparedCircuit::new(Arc::new(
        circuit,
    ))?)))
}

/// Most builds do not even know the toy parameter sets: they too say why they refuse them.
fn explain(error: CircuitError) -> UnusableCircuit {
    match error {
        CircuitError::UnknownParameters { name, .. } if name.starts_with("insecure") => {
            UnusableCircuit::Insecure { set: name }
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_insecure_parameter_set_is_refused_for_what_it_is() {
        let unknown = |name: &str| {
            let error = explain(CircuitError::UnknownParameters {
                name: name.to_owned(),
                known: "standard-2048".to_owned(),
            });
            error.to_string()
        };
        assert_eq!(
            unknown("insecure-toy"),
            "parameter set insecure-toy offers no security, so this server refuses it; train the \
             circuit with a secure one"
        );
        assert!(unknown("other").starts_with("unknown parameter set"));
    }
}
