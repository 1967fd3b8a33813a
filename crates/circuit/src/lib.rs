//! What Cipherformer computes: circuits of quantized layers on fixed-point torus values.
//!
//! A [`Model`] is what an owner trains: integer weights, steps, biases, activations. Lowering turns it
//! into [`graph`] nodes, choosing the scale of every tensor so that its range and a guard band fit
//! the torus. [`Circuit::new`] checks the result and is the only way to get a [`Circuit`]. One
//! interpreter, [`evaluate`], runs it with any [`Engine`]: [`Plain`] is here, the
//! encrypted one is in the `fhe` crate.
//!
//! No cryptography library and no async here: only numbers, among them the [`noise`] formulas and the
//! [`parameters`] they depend on.

mod check;
mod circuit;
pub mod cost;
mod digest;
mod engine;
mod error;
mod estimate;
mod evaluate;
mod extract;
mod features;
mod folder;
mod function;
pub mod graph;
mod lower;
mod manifest;
mod matrix;
mod model;
pub mod noise;
pub mod parameters;
mod plain;
mod policy;
mod tables;
mod tensors;
pub mod transformer;
mod tune;

pub use check::MAX_BLOCKS;
pub use circuit::{Body, Circuit, Description, FAILURE_LIMIT_LOG2};
pub use digest::hex;
pub use engine::{At, Engine};
pub use error::CircuitError;
pub use estimate::{Estimate, LayerEstimate, estimate, estimate_at};
pub use evaluate::{Observer, Progress, State, evaluate, evaluate_next};
pub use extract::{Extract, MAX_WORDS, extract};
pub use features::{Bag, Vocabulary};
pub use function::Function;
pub use lower::{
    Flood, GUARD_LOG2, LOGITS_FLOOD, LUT_HALF_RANGE, RESPONSE_HALF_RANGE, SCORES_FLOOD,
};
pub use manifest::{
    FORMAT, InputKind, InputLayout, MAX_CONTEXT, Manifest, OutputKind, OutputLayout, check_labels,
    is_circuit_name,
};
pub use model::{Block, Dense, Embedding, Model, Quantized};
pub use parameters::{ParameterSet, Precision};
pub use plain::{Plain, PlainPacked};
pub use policy::{MAX_ROUNDED_BITS, OutputPolicy, TOP_LABELS, UnknownPolicy};
pub use tables::scaled_level;
pub use transformer::Transformer;
pub use tune::{Candidate, Goal, Rejected, TuneError, Tuning, Verdict, candidates, tune};
