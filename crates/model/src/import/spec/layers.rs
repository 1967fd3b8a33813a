//! The layers that a specification can name.

use cipherformer_circuit::Function;
use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(in crate::import) enum ClassifierLayer {
    Embedding(EmbeddingLayer),
    Activation(ActivationLayer),
    Dense(DenseLayer),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::import) struct EmbeddingLayer {
    /// \[features, width\].
    pub(in crate::import) weight: String,
    /// \[width\].
    pub(in crate::import) bias: Option<String>,
    #[serde(default = "eight")]
    pub(in crate::import) bits: u32,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::import) struct ActivationLayer {
    pub(in crate::import) function: Activation,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::import) struct DenseLayer {
    /// \[outputs, inputs\].
    pub(in crate::import) weight: String,
    /// \[outputs\].
    pub(in crate::import) bias: Option<String>,
    #[serde(default = "five")]
    pub(in crate::import) bits: u32,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(in crate::import) enum TransformerLayer {
    Embedding(TokenEmbedding),
    Block(Box<BlockLayer>),
    Dense(OutputLayer),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::import) struct TokenEmbedding {
    /// \[tokens, width\].
    pub(in crate::import) token: String,
    /// \[context, width\].
    pub(in crate::import) position: String,
}

/// `x + attention(norm(x)) + mlp(norm(x))`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::import) struct BlockLayer {
    #[serde(default)]
    pub(in crate::import) norm: NormLayer,
    pub(in crate::import) attention: AttentionLayer,
    pub(in crate::import) mlp: MlpLayer,
}

/// `weight * x / sqrt(mean of x^2 + epsilon)`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::import) struct NormLayer {
    /// \[width\]; none is all ones.
    pub(in crate::import) weight: Option<String>,
    pub(in crate::import) epsilon: f64,
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
pub(in crate::import) struct AttentionLayer {
    pub(in crate::import) heads: usize,
    /// \[heads * head width, width\].
    pub(in crate::import) query: String,
    /// As `query`.
    pub(in crate::import) key: String,
    /// As `query`.
    pub(in crate::import) value: String,
    /// \[width, heads * head width\].
    pub(in crate::import) output: String,
    /// \[width\].
    pub(in crate::import) output_bias: Option<String>,
    /// The model's soft cap of scores: `cap * tanh(score / cap)`.
    pub(in crate::import) cap: Option<f64>,
    /// Largest integers of queries, keys and values; import tries some if there are none.
    pub(in crate::import) integers: Option<[u8; 3]>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::import) struct MlpLayer {
    #[serde(default = "gelu")]
    pub(in crate::import) activation: Activation,
    /// \[hidden, width\].
    pub(in crate::import) up: String,
    /// \[hidden\].
    pub(in crate::import) up_bias: Option<String>,
    /// \[width, hidden\].
    pub(in crate::import) down: String,
    /// \[width\].
    pub(in crate::import) down_bias: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::import) struct OutputLayer {
    /// \[tokens, width\].
    pub(in crate::import) weight: String,
    /// \[tokens\].
    pub(in crate::import) bias: Option<String>,
}

/// What one LUT can do to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::import) enum Activation {
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

fn five() -> u32 {
    5
}

fn eight() -> u32 {
    8
}

fn gelu() -> Activation {
    Activation::Gelu
}
