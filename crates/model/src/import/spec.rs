//! What a model owner says of a file of weights: which tensors make which layers.

use std::fs;
use std::path::{Path, PathBuf};

use cipherformer_circuit::{Function, InputKind, OutputPolicy};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ImportError;
use crate::error::ModelError;

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

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum ClassifierLayer {
    Embedding(EmbeddingLayer),
    Activation(ActivationLayer),
    Dense(DenseLayer),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmbeddingLayer {
    /// \[features, width\].
    pub(super) weight: String,
    /// \[width\].
    pub(super) bias: Option<String>,
    #[serde(default = "eight")]
    pub(super) bits: u32,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivationLayer {
    pub(super) function: Activation,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DenseLayer {
    /// \[outputs, inputs\].
    pub(super) weight: String,
    /// \[outputs\].
    pub(super) bias: Option<String>,
    #[serde(default = "five")]
    pub(super) bits: u32,
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

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum TransformerLayer {
    Embedding(TokenEmbedding),
    Block(Box<BlockLayer>),
    Dense(OutputLayer),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenEmbedding {
    /// \[tokens, width\].
    pub(super) token: String,
    /// \[context, width\].
    pub(super) position: String,
}

/// `x + attention(norm(x)) + mlp(norm(x))`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockLayer {
    #[serde(default)]
    pub(super) norm: NormLayer,
    pub(super) attention: AttentionLayer,
    pub(super) mlp: MlpLayer,
}

/// `weight * x / sqrt(mean of x^2 + epsilon)`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NormLayer {
    /// \[width\]; none is all ones.
    pub(super) weight: Option<String>,
    pub(super) epsilon: f64,
}

impl Default for NormLayer {
    fn default() -> Self {
        Self {
            weight: None,
            epsilon: 1e-6,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttentionLayer {
    pub(super) heads: usize,
    /// \[heads * head width, width\].
    pub(super) query: String,
    /// As `query`.
    pub(super) key: String,
    /// As `query`.
    pub(super) value: String,
    /// \[width, heads * head width\].
    pub(super) output: String,
    /// \[width\].
    pub(super) output_bias: Option<String>,
    /// The model's soft cap of scores: `cap * tanh(score / cap)`.
    pub(super) cap: Option<f64>,
    /// Largest integers of queries, keys and values.
    #[serde(default = "integers")]
    pub(super) integers: [u8; 3],
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MlpLayer {
    #[serde(default = "gelu")]
    pub(super) activation: Activation,
    /// \[hidden, width\].
    pub(super) up: String,
    /// \[hidden\].
    pub(super) up_bias: Option<String>,
    /// \[width, hidden\].
    pub(super) down: String,
    /// \[width\].
    pub(super) down_bias: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutputLayer {
    /// \[tokens, width\].
    pub(super) weight: String,
    /// \[tokens\].
    pub(super) bias: Option<String>,
}

/// What one LUT can do to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Activation {
    Identity,
    Relu,
    Tanh,
    Gelu,
}

impl From<Activation> for Function {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Identity => Self::Identity,
            Activation::Relu => Self::Relu,
            Activation::Tanh => Self::Tanh,
            Activation::Gelu => Self::Gelu,
        }
    }
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
        let line = |start: usize| 1 + text[..start.min(text.len())].matches('\n').count();
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

fn five() -> u32 {
    5
}

fn eight() -> u32 {
    8
}

fn integers() -> [u8; 3] {
    [7, 7, 4]
}

fn gelu() -> Activation {
    Activation::Gelu
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSIFIER: &str = include_str!("../../../../examples/import/classifier.toml");
    const TRANSFORMER: &str = include_str!("../../../../examples/import/transformer.toml");

    fn refused(text: &str) -> String {
        let error = Spec::parse(Path::new("spec.toml"), text).expect_err("it is wrong");
        error.to_string()
    }

    #[test]
    fn the_samples_say_what_they_seem_to() {
        let Ok(Spec::Classifier(spec)) = Spec::parse(Path::new("x"), CLASSIFIER) else {
            panic!("the sample is a classifier");
        };
        assert_eq!((spec.labels.len(), spec.layers.len()), (2, 5));
        assert_eq!((spec.input.max_features, spec.input.min_count), (128, 8));
        let Ok(Spec::Transformer(spec)) = Spec::parse(Path::new("x"), TRANSFORMER) else {
            panic!("the sample is a transformer");
        };
        assert_eq!(spec.layers.len(), 4);
        let TransformerLayer::Block(block) = &spec.layers[1] else {
            panic!("the second layer is a block");
        };
        assert_eq!(
            (block.attention.heads, block.attention.integers),
            (4, [7, 7, 4])
        );
    }

    /// Every line of the samples that is commented out says what would happen without it, or works.
    #[test]
    fn commented_fields_of_the_samples_are_fields() {
        for sample in [CLASSIFIER, TRANSFORMER] {
            let enabled: Vec<&str> = sample
                .lines()
                .map(|line| line.strip_prefix("#: ").unwrap_or(line))
                .collect();
            assert!(enabled.len() > 10 && enabled.join("\n") != sample.trim_end());
            Spec::parse(Path::new("sample"), &enabled.join("\n")).expect("all fields are known");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let with = |from: &str, to: &str| {
            assert!(
                CLASSIFIER.contains(from) || TRANSFORMER.contains(from),
                "{from}"
            );
            match CLASSIFIER.contains(from) {
                true => refused(&CLASSIFIER.replacen(from, to, 1)),
                false => refused(&TRANSFORMER.replacen(from, to, 1)),
            }
        };
        for (from, to, said) in [
            ("description", "descripton", "unknown field `descripton`"),
            (
                "kind = \"bag\"",
                "kind = \"image\"",
                "expected `bag` or `tokens`",
            ),
            (
                "kind = \"dense\"",
                "kind = \"norm\"",
                "expected one of `embedding`, `activation`, `dense`",
            ),
            (
                "function = \"relu\"",
                "function = \"swish\"",
                "expected one of `identity`, `relu`, `tanh`, `gelu`",
            ),
            ("bias = ", "biases = ", "unknown field `biases`"),
            ("heads = 4", "heads = -4", "expected usize"),
            (
                "heads = 4,",
                "heads = 4, query_bias = \"b\",",
                "unknown field `query_bias`, expected one of",
            ),
        ] {
            let error = with(from, to);
            assert!(error.contains(said), "{error}");
            assert!(error.starts_with("spec.toml, line "), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        assert!(refused("").contains("missing field `input`"));
    }

    #[test]
    fn bits_have_limits() {
        let limit = |bits| limit(Path::new("x"), "layer 1", bits);
        assert_eq!(
            [2, 5, 8].map(|bits| limit(bits).ok()),
            [Some(1), Some(15), Some(127)]
        );
        for bits in [0, 1, 9, 64] {
            let error = limit(bits).expect_err("no such integers").to_string();
            assert!(
                error.contains("layer 1") && error.contains("2 to 8"),
                "{error}"
            );
        }
    }
}
