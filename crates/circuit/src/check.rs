//! What a model must satisfy before it is lowered, and a lowered circuit before it is used.

use crate::error::CircuitError;
use crate::graph::{Node, Value};
use crate::manifest::{MAX_CONTEXT, MAX_LABELS};
use crate::model::{Dense, Embedding};
use crate::parameters::ParameterSet;
use crate::transformer::{Matrix, Transformer, TransformerBlock};

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

/// No scale will do: guard bands and values need this part of the range, more than all of it; or there is nothing to scale.
pub(crate) fn no_room(layer: &str, needed: f64) -> CircuitError {
    let layer = layer.to_owned();
    if needed > 1.0 {
        let bits = needed.log2();
        return CircuitError::NoRoom { layer, bits };
    }
    CircuitError::Value {
        layer,
        reason: "no scale can be chosen: all weights are zero".to_owned(),
    }
}

/// No transformer of this format has more blocks after its first.
pub const MAX_BLOCKS: usize = 64;

/// Everything that lowering a transformer takes for granted.
pub(crate) fn check_transformer(
    model: &Transformer,
    parameters: &ParameterSet,
) -> Result<(), CircuitError> {
    check_magnitudes(model, parameters)?;
    let (context, heads, head) = (model.positions.len(), model.heads, model.head_width());
    let fits = (1..=MAX_CONTEXT).contains(&context)
        && heads > 0
        && head.is_power_of_two()
        && head * context.next_power_of_two() <= parameters.ring_dimension;
    if !fits || model.attention.len() != model.blocks.len() + 1 {
        let got = format!("{context} positions, {heads} heads of width {head}");
        let expected = format!(
            "heads whose width is a power of two and, times the context, at most {}; one attention \
             more than blocks",
            parameters.ring_dimension
        );
        return Err(shape("transformer", &expected, &got));
    }
    let (vocabulary, width) = (model.unembedding.rows(), model.unembedding.columns());
    let inner = heads * head;
    let bias = model.unembedding_bias.len();
    check_matrix("unembedding", &model.unembedding, [bias, width])?;
    check_positive("logits", &[model.logit_range])?;
    check_biases("unembedding_bias", &model.unembedding_bias)?;
    for tables in &model.positions {
        check_matrix("positions.residual", &tables.residual, [vocabulary, width])?;
        for rows in [&tables.queries, &tables.keys, &tables.values] {
            if rows.len() != vocabulary || rows.iter().any(|row| row.len() != inner) {
                let expected = format!("[{vocabulary} x {inner}]");
                return Err(shape("positions", &expected, "other sizes"));
            }
        }
    }
    for attention in &model.attention {
        check_matrix("attention.output", &attention.output, [width, inner])?;
        check_positive("attention", &attention.numerics.all())?;
    }
    for block in &model.blocks {
        check_block(block, width, inner)?;
    }
    Ok(())
}

/// Nothing so large that looking at it would take all memory: a small file can claim much.
fn check_magnitudes(model: &Transformer, parameters: &ParameterSet) -> Result<(), CircuitError> {
    let first = model.attention.first();
    let inner = first.map_or(0, |layer| layer.output.columns());
    let hidden = model.blocks.iter().map(|block| block.up_bias.len());
    let vector = hidden
        .chain([model.heads, inner, model.unembedding.columns()])
        .max();
    let vector = vector.unwrap_or(0);
    let (tokens, blocks) = (model.unembedding.rows(), model.blocks.len());
    let limit = parameters.ring_dimension;
    if vector <= limit && tokens <= MAX_LABELS && blocks <= MAX_BLOCKS {
        return Ok(());
    }
    Err(shape(
        "transformer",
        &format!("vectors of at most {limit}, {MAX_LABELS} tokens, {MAX_BLOCKS} blocks"),
        &format!("vectors of {vector}, {tokens} tokens, {blocks} blocks"),
    ))
}

fn check_block(block: &TransformerBlock, width: usize, inner: usize) -> Result<(), CircuitError> {
    let hidden = block.up_bias.len();
    for (name, matrix, size) in [
        ("query", &block.query, [inner, width]),
        ("key", &block.key, [inner, width]),
        ("value", &block.value, [inner, width]),
        ("up", &block.up, [hidden, width]),
        ("down", &block.down, [block.down_bias.len(), hidden]),
    ] {
        check_matrix(name, matrix, size)?;
    }
    if block.down_bias.len() != width {
        let got = block.down_bias.len().to_string();
        return Err(shape("down_bias", &format!("{width} biases"), &got));
    }
    check_biases("up_bias", &block.up_bias)?;
    check_biases("down_bias", &block.down_bias)?;
    let numerics = &block.numerics;
    let mut all = vec![numerics.residual_range, numerics.floor, numerics.up_range];
    all.extend(numerics.mean_square_range);
    all.extend(numerics.projection_range);
    all.extend(numerics.projection_step);
    all.extend(numerics.projection_limit.map(f64::from));
    let [low, high] = numerics.mean_square_range;
    all.push(high - low);
    check_positive("block", &all)
}

fn check_matrix(name: &str, matrix: &Matrix, size: [usize; 2]) -> Result<(), CircuitError> {
    let got = [matrix.rows(), matrix.columns()];
    if got != size || got.contains(&0) {
        let [rows, columns] = size;
        let expected = format!("[{rows} x {columns}], not empty");
        return Err(shape(name, &expected, &format!("{got:?}")));
    }
    if !matrix.data().iter().all(|w| w.is_finite()) {
        return Err(CircuitError::Value {
            layer: name.to_owned(),
            reason: "its weights must be finite".to_owned(),
        });
    }
    Ok(())
}

fn check_biases(name: &str, biases: &[f32]) -> Result<(), CircuitError> {
    if biases.iter().all(|b| b.is_finite()) {
        return Ok(());
    }
    Err(CircuitError::Value {
        layer: name.to_owned(),
        reason: "its biases must be finite".to_owned(),
    })
}

/// Ranges, steps and floors: far wider than any real model's.
fn check_positive(layer: &str, values: &[f64]) -> Result<(), CircuitError> {
    if values.iter().all(|x| (1e-9..=1e9).contains(x)) {
        return Ok(());
    }
    Err(CircuitError::Value {
        layer: layer.to_owned(),
        reason: "its ranges, steps and floors must be sensible positive numbers".to_owned(),
    })
}
