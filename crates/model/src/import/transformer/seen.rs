//! What a float model's values must be before grids and caps are looked for: numbers that a circuit has ranges for.

use super::load::Float;
use crate::decoder::{Outcome, Ranges, Site};
use crate::error::ModelError;
use crate::import::error::ImportError;
use crate::import::spec::{BlockLayer, TransformerLayer, TransformerSpec};

/// No scores may be larger without a cap.
const LARGEST_SCORE: f64 = 40.0;

/// Ranges that circuits have.
const RANGE: std::ops::RangeInclusive<f64> = 1e-9..=1e9;

/// The largest part of a mean of squares that an epsilon may be: half of it is lost of what the norm puts out.
const EPSILON: f64 = 0.01;

/// The largest score of each layer that is told from others without a cap.
pub(super) fn scores(float: &Float, seen: &Ranges) -> Result<Vec<f64>, ModelError> {
    let block = &float.parameters.blocks[0];
    let head_width = block.output.dim(1)? / float.numerics.heads;
    let caps = float.numerics.cap.iter().enumerate();
    caps.map(|(layer, cap)| {
        let step = float.numerics.score_step(layer, head_width);
        let largest = seen.largest(Site::Score(layer)) * step;
        if cap.is_none() && largest > LARGEST_SCORE {
            let layer = format!("layer {}, block", layer + 2);
            let limit = LARGEST_SCORE;
            return Err(ImportError::Scores {
                layer,
                largest,
                limit,
            }
            .into());
        }
        // Scores that are almost equal need no range of their own.
        Ok(largest.max(0.25))
    })
    .collect()
}

/// Ranges of all sites, epsilons, and the predictions.
///
/// # Errors
/// The first that no circuit has, with the tensors that it comes from.
pub(super) fn check(spec: &TransformerSpec, outcome: &Outcome) -> Result<(), ImportError> {
    for (index, block) in spec.blocks().enumerate() {
        let layer = format!("layer {}, block", index + 2);
        if index > 0 {
            check_residual(&layer, index, block, &outcome.seen)?;
        }
        check_attention(&layer, index, block, &outcome.seen)?;
    }
    if let Some(TransformerLayer::Dense(output)) = spec.layers.last() {
        let layer = format!("layer {}, dense", spec.layers.len());
        let logits = outcome.seen.largest(Site::Logit);
        let origin = format!("tensor {:?}", output.weight);
        check_range(&layer, "logits", logits, &origin)?;
    }
    // Ranges leave out what is no number.
    match outcome.loss.is_finite() {
        true => Ok(()),
        false => Err(ImportError::Predictions {
            model: "float model",
        }),
    }
}

fn check_attention(
    layer: &str,
    index: usize,
    block: &BlockLayer,
    seen: &Ranges,
) -> Result<(), ImportError> {
    let attention = &block.attention;
    let (query, key, value) = (&attention.query, &attention.key, &attention.value);
    if index > 0 {
        let projections = [("queries", query), ("keys", key), ("values", value)];
        for (which, (what, tensor)) in projections.into_iter().enumerate() {
            let largest = seen.largest(Site::Projection(index, which));
            check_range(layer, what, largest, &format!("tensor {tensor:?}"))?;
        }
    }
    let products = seen.largest(Site::Score(index));
    let origin = format!("tensors {query:?} and {key:?}");
    check_range(layer, "products of queries and keys", products, &origin)?;
    // As large as exponentials are, to which the circuit's cap is still to come.
    let mixed = match seen.largest(Site::Mix(index)) {
        large if large.is_finite() => large.min(1.0),
        other => other,
    };
    let origin = format!("tensor {value:?}");
    check_range(layer, "sums of weighted values", mixed, &origin)
}

/// What a norm reads, and what the MLP makes of it.
fn check_residual(
    layer: &str,
    index: usize,
    block: &BlockLayer,
    seen: &Ranges,
) -> Result<(), ImportError> {
    let residual = seen.largest(Site::Residual(index));
    let (low, high) = seen.both(Site::MeanSquare(index));
    for (what, value) in [
        ("values of the residual", residual),
        ("means of the residual's squares", high),
        ("the smallest means of the residual's squares", low),
        ("differences of the residual's means of squares", high - low),
    ] {
        check_range(layer, what, value, "the layers before it")?;
    }
    let epsilon = block.norm.epsilon;
    if epsilon > EPSILON * low {
        return Err(ImportError::Epsilon {
            layer: layer.to_owned(),
            epsilon,
            smallest: low,
        });
    }
    let up = seen.largest(Site::Up(index));
    let origin = format!("tensor {:?}", block.mlp.up);
    check_range(layer, "inputs of the MLP's activation", up, &origin)
}

/// The largest magnitude of these values, which `origin` makes.
fn check_range(layer: &str, what: &str, largest: f64, origin: &str) -> Result<(), ImportError> {
    if RANGE.contains(&largest) {
        return Ok(());
    }
    Err(ImportError::Range {
        layer: layer.to_owned(),
        what: what.to_owned(),
        largest,
        origin: origin.to_owned(),
    })
}
