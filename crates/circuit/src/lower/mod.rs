//! Lowering: from layers on real numbers to primitive operations on the torus.
//!
//! This is where scales are chosen: every value's range, plus a guard band for its noise, must fit what
//! comes next: half the torus before a LUT, the whole torus before the response.

mod classifier;
mod ending;
mod transformer;

pub use ending::{Flood, LOGITS_FLOOD, SCORES_FLOOD};

pub(crate) use classifier::lower_classifier;
pub(crate) use transformer::lower_transformer;

use std::sync::LazyLock;

use crate::graph::{Node, NodeId, Op, Value};
use crate::noise::guard_in_stds;
use crate::parameters::ParameterSet;

/// log2 of the failure probability that guard bands are made for. Lower than the 2^-40 that a circuit
/// must keep: the difference costs half a percent of the range.
pub const GUARD_LOG2: f64 = -64.0;

/// Half of a LUT's input range: [-1/4, 1/4), as the blind rotation is negacyclic.
pub const LUT_HALF_RANGE: f64 = 0.25;

/// Half of the torus, which the response may fill.
pub const RESPONSE_HALF_RANGE: f64 = 0.5;

/// The last node: the values of the one before it, flooded to this variance, on their way to the client.
fn response(nodes: &[Node], flooded: f64, parameters: &ParameterSet) -> Node {
    let source = NodeId(nodes.len() - 1);
    let sources = &nodes[source.0].values;
    let flood = sources.iter().map(|value| flooded - value.variance);
    let flood: Vec<f64> = flood.collect();
    let values = sources.iter().map(|value| Value {
        variance: flooded + parameters.output_variance(),
        ..*value
    });
    Node {
        name: "response".to_owned(),
        op: Op::Response { flood },
        inputs: vec![source],
        values: values.collect(),
        energy: 0.0,
    }
}

/// To the 24 bits of an `f32`: the manifest holds scales, and must not depend on the last bit of a
/// platform's `exp2` or `log2`.
fn rounded(scale: f64) -> f64 {
    f64::from(scale as f32)
}

/// What is left of half a range when the guard band for this noise is taken off; negative if nothing.
fn room(half_range: f64, variance: f64) -> f64 {
    static GUARD: LazyLock<f64> = LazyLock::new(|| guard_in_stds(GUARD_LOG2));
    half_range - *GUARD * variance.sqrt()
}

/// The part of half a range that the guard band for this noise takes.
fn guard_part(half_range: f64, variance: f64) -> f64 {
    1.0 - room(half_range, variance) / half_range
}
