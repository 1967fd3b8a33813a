//! The private body of a circuit: quantized layers, as a model owner trains them.

use crate::function::Function;
use crate::graph::IntMatrix;

/// Integer weights with the real value of one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// The integers.
    pub integers: IntMatrix,
    /// Real value of one unit, for each output (column of an embedding, row of a dense layer).
    pub step: Vec<f64>,
}

/// Summed embeddings of a bag of features: `z_d = bias_d + sum_v x_v E[v][d]`, with `sum_v x_v <= 1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// \[entries x width\].
    pub table: Quantized,
    /// \[width\].
    pub bias: Vec<f64>,
}

/// `y = W x + b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// \[outputs x inputs\].
    pub weights: Quantized,
    /// \[outputs\].
    pub bias: Vec<f64>,
}

/// An activation followed by a dense layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Applied to every value by one LUT.
    pub activation: Function,
    /// Applied to the activations.
    pub dense: Dense,
}

/// A classifier over bags of features: embedding, then blocks of activation and dense layer. The
/// last block's outputs are the scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The first layer.
    pub embedding: Embedding,
    /// At least one.
    pub blocks: Vec<Block>,
}
