//! The public part of a circuit: all that a client gets to know.

use serde::{Deserialize, Serialize};

/// The manifest format this build reads and writes.
pub const FORMAT: u32 = 1;

/// What a client needs to encrypt an input and to read an output, and nothing of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// The circuit's name: lower-case letters, digits and hyphens.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// SHA-256 of the whole circuit, private body included, in hexadecimal.
    pub digest: String,
    /// Name of the parameter set its ciphertexts use.
    pub parameter_set: String,
    /// How the input is laid out.
    pub input: InputLayout,
    /// How the output is laid out.
    pub output: OutputLayout,
}

/// A bag of features: coefficient v of the plaintext is `scale / max(n, min_count)` for each of the n
/// features v that the text has, and 0 for all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputLayout {
    /// How many features there are.
    pub entries: usize,
    /// At most this many features of a text are used.
    pub max_features: usize,
    /// Texts with fewer features than this are weighted as if they had this many.
    pub min_count: usize,
    /// Torus units for a weight of 1.
    pub scale: f64,
    /// SHA-256 of the vocabulary, in hexadecimal.
    pub vocabulary_sha256: String,
}

/// One score per label: the decrypted torus value divided by `scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputLayout {
    /// What the scores are of, in order; the largest score wins.
    pub labels: Vec<String>,
    /// Torus units per unit of score, for each label.
    pub scale: Vec<f64>,
}

impl OutputLayout {
    /// Index of the largest score; the first of equals.
    pub fn argmax(scores: &[f64]) -> usize {
        let mut best = 0;
        for (index, score) in scores.iter().enumerate() {
            if *score > scores[best] {
                best = index;
            }
        }
        best
    }
}
