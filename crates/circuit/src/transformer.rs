//! The private body of a decoder-only transformer, in real numbers, with the grids and ranges that its
//! training settled on. Lowering makes integers and torus scales of it.
//!
//! Blocks are parallel (Wang and Komatsuzaki, "GPT-J-6B", 2021; Chowdhery et al., "PaLM", 2022, section 2):
//! attention and MLP read the same normalised vector, and both are added to the residual:
//! `x' = x + W_o attention(norm(x)) + W_2 gelu(W_1 norm(x) + b_1) + b_2`.
//!
//! Everything in the first block but attention is a function of one token and its position. It is
//! therefore tabulated, and costs lookups instead of LUTs.

use serde::{Deserialize, Serialize};

use crate::matrix;

/// A matrix of real numbers.
pub type Matrix = matrix::Matrix<f32>;

/// A decoder-only transformer over a small vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct Transformer {
    /// How many heads; every matrix of queries, keys, values and outputs has them one after the other.
    pub heads: usize,
    /// What the first block makes of a token, for each position: as many as the context is long.
    pub positions: Vec<TokenTables>,
    /// One per block: attention, and the matrix W_o \[width x heads * head width\] after it.
    pub attention: Vec<Attention>,
    /// Blocks 2 and later; one fewer than `attention`.
    pub blocks: Vec<TransformerBlock>,
    /// \[vocabulary x width\]: logits of the last residual.
    pub unembedding: Matrix,
    /// \[vocabulary\].
    pub unembedding_bias: Vec<f32>,
    /// Largest |logit| in calibration.
    pub logit_range: f64,
}

impl Transformer {
    /// Width of one head.
    pub fn head_width(&self) -> usize {
        self.heads_width().checked_div(self.heads).unwrap_or(0)
    }

    /// Width of all heads together.
    fn heads_width(&self) -> usize {
        self.attention
            .first()
            .map_or(0, |layer| layer.output.columns())
    }

    /// The part of the residual that enters block `layer` (counted from 0) which depends on the token
    /// alone: [vocabulary x width].
    pub fn token_residual(&self, position: usize, layer: usize) -> Matrix {
        let mut residual = self.positions[position].residual.clone();
        let width = residual.columns();
        for block in &self.blocks[..layer.saturating_sub(1)] {
            for row in residual.data_mut().chunks_mut(width) {
                add(row, &block.down_bias);
            }
        }
        residual
    }

    /// The part of the logits that depends on the token alone: [vocabulary x vocabulary], tokens first.
    pub fn token_logits(&self, position: usize) -> Matrix {
        let residual = self.token_residual(position, self.blocks.len() + 1);
        let mut logits = residual.times(&self.unembedding.transposed());
        let width = logits.columns();
        for row in logits.data_mut().chunks_mut(width) {
            add(row, &self.unembedding_bias);
        }
        logits
    }
}

fn add(row: &mut [f32], bias: &[f32]) {
    for (x, b) in row.iter_mut().zip(bias) {
        *x += b;
    }
}

impl AttentionNumerics {
    /// All of them, in order.
    pub(crate) fn all(self) -> [f64; 8] {
        let Self {
            score_step,
            score_range,
            cap,
            gain,
            floor,
            mean_range,
            mix_range,
            value_step,
        } = self;
        [
            score_step,
            score_range,
            cap,
            gain,
            floor,
            mean_range,
            mix_range,
            value_step,
        ]
    }
}

impl BlockNumerics {
    /// The mean of squares that the LUT of the root covers: the calibrated range, widened.
    pub fn mean_square_bounds(&self) -> [f64; 2] {
        let [low, high] = self.mean_square_range;
        [low / MARGIN, high * MARGIN]
    }
}

/// All that block 1 computes from a token at one position.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenTables {
    /// Integers on the query grid of attention 1, \[vocabulary x heads * head width\].
    pub queries: Vec<Vec<i8>>,
    /// Integers on the key grid.
    pub keys: Vec<Vec<i8>>,
    /// Integers on the value grid.
    pub values: Vec<Vec<i8>>,
    /// \[vocabulary x width\]: the embedding plus the MLP's output: the residual after block 1, without
    /// its attention.
    pub residual: Matrix,
}

/// The numbers of one layer of attention. Queries, keys and values are small integers: they are
/// multiplied with each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// \[width x heads * head width\]: W_o.
    pub output: Matrix,
    /// Grids, ranges and forms.
    pub numerics: AttentionNumerics,
}

/// For head h, with integers q_i, k_j, v_j and n positions (this one included):
///
/// ```text
/// s_j = score_step * (q . k_j)
/// u_j = round(gain / n * exp(cap * tanh(s_j / cap)))      (integers, at least 0)
/// S   = sum of u_j
/// a_i = value_step * sum_j u_j v_ji / max(S, floor * gain)
/// ```
///
/// `u`, `q`, `k` and `v` are exact; each LUT adds its noise to its input: scores, S, and the sums of
/// `u_j v_ji`, which are also cut to [`SCALED_LEVELS`] levels either side of 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionNumerics {
    /// Real score of one unit of q . k (the usual 1 / sqrt(head width) included).
    pub score_step: f64,
    /// Largest |q . k| in calibration; noise and unseen data may exceed it by [`MARGIN`].
    pub score_range: f64,
    /// Soft cap of the scores.
    pub cap: f64,
    /// Resolution of the exponentials.
    pub gain: f64,
    /// Smallest mean of exponentials that is told apart from less.
    pub floor: f64,
    /// Largest S / gain, the mean of exponentials, in calibration.
    pub mean_range: f64,
    /// Largest |sum of `u_j v_ji`| in calibration.
    pub mix_range: f64,
    /// Real value of one unit of v.
    pub value_step: f64,
}

/// A block whose input is encrypted: norm, projections, MLP. Its attention is in [`Transformer::attention`].
#[derive(Clone, Debug, PartialEq)]
pub struct TransformerBlock {
    /// Grids, ranges and forms.
    pub numerics: BlockNumerics,
    /// \[heads * head width x width\], the norm's gain folded in; likewise keys and values.
    pub query: Matrix,
    /// See `query`.
    pub key: Matrix,
    /// See `query`.
    pub value: Matrix,
    /// \[hidden x width\]: W_1, the norm's gain folded in.
    pub up: Matrix,
    /// \[hidden\].
    pub up_bias: Vec<f32>,
    /// \[width x hidden\]: W_2.
    pub down: Matrix,
    /// \[width\].
    pub down_bias: Vec<f32>,
}

/// The norm is `x / sqrt(max(mean of x^2, floor))` (RMSNorm: Zhang and Sennrich, 2019).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockNumerics {
    /// Largest |x_i| in calibration, x the residual that enters the block.
    pub residual_range: f64,
    /// Smallest and largest mean of squares in calibration.
    pub mean_square_range: [f64; 2],
    /// Smallest mean of squares that is told apart from less.
    pub floor: f64,
    /// Largest |W_q norm(x)|, likewise keys and values: `[query, key, value]`.
    pub projection_range: [f64; 3],
    /// Real value of one unit of the integers `[query, key, value]`.
    pub projection_step: [f64; 3],
    /// Largest integer of `[query, key, value]`: rounding saturates there.
    pub projection_limit: [u8; 3],
    /// Largest |W_1 norm(x) + b_1|.
    pub up_range: f64,
}

/// Calibrated ranges are widened by this factor before noise gets its guard band.
pub const MARGIN: f64 = 1.1;

/// Lowering rounds weights on what coarse LUTs put out, so that the largest of all that weigh the same outputs is this
/// integer. Larger ones would round less, but add up more of the outputs' noise.
pub const WEIGHT_LIMIT: f64 = 15.0;

/// A scaled LUT cuts its input range [-r, r] to this many levels either side of 0.
pub const SCALED_LEVELS: u32 = 63;
