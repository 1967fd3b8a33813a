//! The digest that names a circuit: two circuits with the same digest compute the same thing.

use sha2::{Digest as _, Sha256};

use crate::circuit::Body;
use crate::manifest::Manifest;
use crate::model::{Model, Quantized};
use crate::tensors::{numerics, tensors};
use crate::transformer::Transformer;

/// SHA-256 over length-prefixed fields, so that no two circuits feed it the same bytes.
#[derive(Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Of a circuit: everything in its manifest but the digest itself, and its whole body. The
    /// vocabulary is covered by the hash in the manifest.
    pub(crate) fn of_circuit(manifest: &Manifest, body: &Body) -> String {
        let public = Manifest {
            digest: String::new(),
            ..manifest.clone()
        };
        let mut digest = Self::default();
        digest.bytes(&serde_json::to_vec(&public).expect("a manifest is plain data"));
        match body {
            Body::Classifier(model) => digest.classifier(model),
            Body::Transformer(model) => digest.transformer(model),
        }
        digest.hex()
    }

    fn classifier(&mut self, model: &Model) {
        self.weights(&model.embedding.table);
        self.floats(&model.embedding.bias);
        for block in &model.blocks {
            self.bytes(&serde_json::to_vec(&block.activation).expect("plain data"));
            self.weights(&block.dense.weights);
            self.floats(&block.dense.bias);
        }
    }

    fn transformer(&mut self, model: &Transformer) {
        self.bytes(&serde_json::to_vec(&numerics(model)).expect("plain data"));
        for tensor in tensors(model) {
            self.bytes(tensor.name.as_bytes());
            self.bytes(&serde_json::to_vec(&tensor.shape).expect("plain data"));
            self.bytes(&tensor.bytes);
        }
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
