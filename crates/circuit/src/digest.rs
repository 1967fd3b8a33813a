//! The digest that names a circuit: two circuits with the same digest compute the same thing.

use sha2::{Digest as _, Sha256};

use crate::manifest::Manifest;
use crate::model::{Model, Quantized};

/// SHA-256 over length-prefixed fields, so that no two circuits feed it the same bytes.
#[derive(Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Of a circuit: everything in its manifest but the digest itself, and its whole body. The
    /// vocabulary is covered by the hash in the manifest.
    pub(crate) fn of_circuit(manifest: &Manifest, model: &Model) -> String {
        let public = Manifest {
            digest: String::new(),
            ..manifest.clone()
        };
        let mut digest = Self::default();
        digest.bytes(&serde_json::to_vec(&public).expect("a manifest is plain data"));
        digest.weights(&model.embedding.table);
        digest.floats(&model.embedding.bias);
        for block in &model.blocks {
            digest.bytes(&serde_json::to_vec(&block.activation).expect("plain data"));
            digest.weights(&block.dense.weights);
            digest.floats(&block.dense.bias);
        }
        digest.hex()
    }

    /// Adds one field.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// The digest in hexadecimal.
    pub(crate) fn hex(self) -> String {
        hex(&self.0.finalize())
    }

    fn weights(&mut self, weights: &Quantized) {
        let integers = &weights.integers;
        self.bytes(&(integers.columns() as u64).to_le_bytes());
        let bytes: Vec<u8> = integers.data().iter().map(|w| w.to_le_bytes()[0]).collect();
        self.bytes(&bytes);
        self.floats(&weights.step);
    }

    fn floats(&mut self, values: &[f64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.bytes(&bytes);
    }
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
