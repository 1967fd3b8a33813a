//! What a model owner says of a file of weights: which tensors make which layers.

mod layers;

use std::fs;
use std::path::{Path, PathBuf};

use cipherformer_circuit::{InputKind, OutputPolicy};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ImportError;
use crate::error::ModelError;
pub(super) use layers::{
    Activation, ActivationLayer, AttentionLayer, BlockLayer, ClassifierLayer, DenseLayer,
    EmbeddingLayer, MlpLayer, OutputLayer, TokenEmbedding, TransformerLayer,
};

/// A specification, by the kind of its input.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Spec {
    Classifier(ClassifierSpec),
    Transformer(TransformerSpec),
}

/// A classifier of bags of features.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassifierSpec {
    /// One sentence for people.
    pub(super) description: String,
    /// One a score.
    pub(super) labels: Vec<String>,
    /// Name of a parameter set.
    #[serde(default = "fast")]
    pub(super) parameters: String,
    /// How much of the scores clients get.
    #[serde(default)]
    pub(super) output: OutputPolicy,
    /// Tensors that the model works without.
    #[serde(default)]
    pub(super) ignore: Vec<String>,
    pub(super) input: BagInput,
    /// An embedding, then activations and dense layers in turn.
    pub(super) layers: Vec<ClassifierLayer>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BagInput {
    /// `bag`.
    #[serde(rename = "kind")]
    _kind: InputKind,
    /// A file with one feature a line, beside the specification.
    pub(super) vocabulary: PathBuf,
    /// At most this many features of a text are used.
    #[serde(default = "max_features")]
    pub(super) max_features: usize,
    /// Texts with fewer features are weighted as if they had this many.
    #[serde(default = "one")]
    pub(super) min_count: usize,
}

/// A transformer over tokens.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransformerSpec {
    /// One sentence for people.
    pub(super) description: String,
    /// Name of a parameter set.
    #[serde(default = "precise")]
    pub(super) parameters: String,
    /// How much of the logits clients get.
    #[serde(default)]
    pub(super) output: OutputPolicy,
    /// Tensors that the model works without.
    #[serde(default)]
    pub(super) ignore: Vec<String>,
    pub(super) input: TokensInput,
    /// Embeddings, blocks, the dense layer that makes logits.
    pub(super) layers: Vec<TransformerLayer>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokensInput {
    /// `tokens`.
    #[serde(rename = "kind")]
    _kind: InputKind,
    /// A file with one token a line, beside the specification; the first starts and ends texts.
    pub(super) vocabulary: PathBuf,
}

/// The one field that says how to read the others.
#[derive(Deserialize)]
struct Kind {
    input: KindOfInput,
}

#[derive(Deserialize)]
struct KindOfInput {
    kind: InputKind,
}

impl TransformerSpec {
    /// The blocks among the layers.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &BlockLayer> {
        self.layers.iter().filter_map(|layer| match layer {
            TransformerLayer::Block(block) => Some(&**block),
            _ => None,
        })
    }
}

impl Spec {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that is missing, no TOML, or has fields that mean nothing; the line is named.
    pub(super) fn read(path: &Path) -> Result<Self, ModelError> {
        let text = fs::read_to_string(path).map_err(|source| ModelError::File {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::parse(path, &text)?)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ImportError> {
        let Kind { input } = from_toml(path, text)?;
        Ok(match input.kind {
            InputKind::Bag => Self::Classifier(from_toml(path, text)?),
            InputKind::Tokens => Self::Transformer(from_toml(path, text)?),
        })
    }
}

fn from_toml<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ImportError> {
    toml::from_str(text).map_err(|error| {
        // Spans are of bytes, and need not begin where a character does.
        let before = |start: usize| text.bytes().take(start);
        let line = |start: usize| 1 + before(start).filter(|&byte| byte == b'\n').count();
        ImportError::Spec {
            path: path.to_owned(),
            line: error.span().map(|span| line(span.start)),
            reason: error.message().lines().collect::<Vec<_>>().join(" "),
        }
    })
}

/// A file that the specification at `spec` names.
pub(super) fn beside(spec: &Path, file: &Path) -> PathBuf {
    spec.parent().unwrap_or(Path::new("")).join(file)
}

/// The largest integer of so many bits, sign included.
///
/// # Errors
/// Other numbers than 2 to 8.
pub(super) fn limit(path: &Path, layer: &str, bits: u32) -> Result<i8, ImportError> {
    if (2..=8).contains(&bits) {
        return Ok(((1u32 << (bits - 1)) - 1) as i8);
    }
    let reason = format!("{layer}: weights of {bits} bits are not supported; 2 to 8 are");
    Err(refuse(path, reason))
}

pub(super) fn refuse(path: &Path, reason: String) -> ImportError {
    ImportError::Spec {
        path: path.to_owned(),
        line: None,
        reason,
    }
}

fn fast() -> String {
    "fast-1024".to_owned()
}

fn precise() -> String {
    "precise-1024".to_owned()
}

fn max_features() -> usize {
    128
}

fn one() -> usize {
    1
}

#[cfg(test)]
mod tests;
