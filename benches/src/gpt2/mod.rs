//! The published yardstick: attention of the shape of GPT-2 small's first layer, on ciphertexts.
//!
//! Token i is a vector x_i of 768 numbers, the output of the layer's norm. Softmax only needs, of the scores
//! of one token, what differs from position to position:
//!
//! ```text
//! s_ij = (W_q x_i + b_q) . (W_k x_j + b_k) / 8  =  (x_i, 1) . A (x_j) + what is the same for all j
//! o_i  = sum over heads of W_o (sum_j p_ij (W_v x_j + b_v)) + b_o  =  sum over heads of M (sum_j p_ij x_j) + b
//! ```
//!
//! with matrices A (769 x 768) and M (768 x 768) a head. The client sends each token twice: packed, in
//! blocks of 64 values, and as GGSW. The server makes A x_j packed ([`PreparedMatrix`]), the scores
//! by external products with the GGSW of x_i, softmax by LUTs (`softmax.rs`), the mixtures of inputs by external
//! products with the GGSW of x_j, and the outputs by clear ring products. So only softmax needs LUTs.
//!
//! [`Shape`] has the sizes: those of GPT-2, which these lines speak of, or of a small head.
//!
//! [`PreparedMatrix`]: cipherformer_fhe::PreparedMatrix

mod layer;
mod measure;
mod model;
mod plan;
mod shape;
mod softmax;

pub use layer::{Counters, Layer, Times, Token};
pub use measure::{Attention, measure, measure_rounds, measure_shape};
pub use model::{Model, mean_entropy};
pub use plan::Plan;
pub use shape::{GPT2, SMALL, Shape};

/// How many heads a layer of GPT-2 has.
pub const HEADS: usize = GPT2.heads;
