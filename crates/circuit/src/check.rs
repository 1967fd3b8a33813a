//! What a model must satisfy before it is lowered, and a lowered circuit before it is used.

use crate::error::CircuitError;
use crate::graph::{Node, Value};
use crate::model::{Dense, Embedding};

/// A table with at least one row and column, and a step and a bias for each column.
pub(crate) fn check_embedding(embedding: &Embedding) -> Result<(), CircuitError> {
    let table = &embedding.table;
    if table.integers.rows() == 0 || table.integers.columns() == 0 {
        return Err(shape("embedding", "at least one row and column", "none"));
    }
    let width = table.integers.columns();
    check_lengths("embedding", width, &table.step, &embedding.bias)
}

/// Weights for this many inputs, and a step and a bias for each output.
pub(crate) fn check_dense(layer: &str, dense: &Dense, inputs: usize) -> Result<(), CircuitError> {
    let weights = &dense.weights.integers;
    if weights.columns() != inputs || weights.rows() == 0 {
        return Err(shape(
            layer,
            &format!("weights [outputs x {inputs}]"),
            &format!("[{} x {}]", weights.rows(), weights.columns()),
        ));
    }
    check_lengths(layer, weights.rows(), &dense.weights.step, &dense.bias)
}

/// Numbers that arithmetic can be trusted with.
pub(crate) fn check_finite(nodes: &[Node]) -> Result<(), CircuitError> {
    for node in nodes {
        let finite = |x: f64| x.is_finite();
        let fits =
            |v: &Value| finite(v.scale) && v.scale > 0.0 && finite(v.bound) && finite(v.variance);
        if !node.values.iter().all(fits) {
            return Err(CircuitError::Value {
                layer: node.name.clone(),
                reason: "steps or weights are out of all proportion".to_owned(),
            });
        }
    }
    Ok(())
}

fn check_lengths(
    layer: &str,
    outputs: usize,
    step: &[f64],
    bias: &[f64],
) -> Result<(), CircuitError> {
    for (what, values) in [("steps", step), ("biases", bias)] {
        if values.len() != outputs {
            let got = format!("{}", values.len());
            return Err(shape(layer, &format!("{outputs} {what}"), &got));
        }
    }
    if !step.iter().all(|s| s.is_finite() && *s > 0.0) || !bias.iter().all(|b| b.is_finite()) {
        return Err(CircuitError::Value {
            layer: layer.to_owned(),
            reason: "steps must be positive and biases finite".to_owned(),
        });
    }
    Ok(())
}

/// Something of another size than what would fit.
pub(crate) fn shape(layer: &str, expected: &str, got: &str) -> CircuitError {
    CircuitError::Shape {
        layer: layer.to_owned(),
        expected: expected.to_owned(),
        got: got.to_owned(),
    }
}

/// No scale is small enough.
pub(crate) fn no_room(layer: &str) -> CircuitError {
    CircuitError::Value {
        layer: layer.to_owned(),
        reason:
            "no scale leaves room for the guard band: all weights are zero, or the noise is too \
                 large for this parameter set"
                .to_owned(),
    }
}
