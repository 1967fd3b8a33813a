//! Lowering a classifier.
//!
//! Going through the layers in order, each tensor is scaled so that its hard bound, plus a guard band of
//! [`GUARD_LOG2`](super::GUARD_LOG2), just fits the range of what comes next: half the torus before a
//! LUT, the whole torus before the response.
//!
//! Bounds are hard: interval arithmetic from `sum_v x_v <= 1` through every layer. No input, however
//! odd, can leave its range; only noise can, with the probability that the guard band allows.

use std::borrow::Cow;

use super::ending::{Ending, SCORES_FLOOD, prepared};
use super::{LUT_HALF_RANGE, guard_part, room, rounded};
use crate::check::{check_dense, check_embedding, check_finite, no_room, shape};
use crate::error::CircuitError;
use crate::function::Function;
use crate::graph::{LutCell, Node, NodeId, Op, Value, cell_centre};
use crate::model::{Dense, Embedding, Model};
use crate::parameters::{ParameterSet, Precision};
use crate::policy::OutputPolicy;

/// Activations go to linear layers, which do not ask for more.
const PRECISION: Precision = Precision::Coarse;

/// Lowers a model to primitive operations, in evaluation order.
///
/// # Errors
/// Shapes that do not fit together, numbers out of all proportion, or a noise so large that no scale
/// leaves room for the guard band.
pub(crate) fn lower_classifier(
    model: &Model,
    policy: OutputPolicy,
    parameters: &'static ParameterSet,
) -> Result<Vec<Node>, CircuitError> {
    check_embedding(&model.embedding)?;
    let mut nodes = vec![lower_embedding(&model.embedding, parameters)?];
    if model.blocks.is_empty() {
        return Err(shape("model", "at least one block", "none"));
    }
    let mut bias = &model.embedding.bias;
    let last = model.blocks.len() - 1;
    for (index, block) in model.blocks.iter().enumerate() {
        let source = NodeId(nodes.len() - 1);
        let input = Input {
            node: source,
            values: &nodes[source.0].values,
            bias,
        };
        let number = index + 1;
        check_dense(&format!("dense{number}"), &block.dense, input.values.len())?;
        let dense = match index == last {
            true => prepared(&block.dense, policy),
            false => Cow::Borrowed(&block.dense),
        };
        let ending = (index == last).then(|| ending(&dense, policy, parameters));
        let next = ending.as_ref().map_or(Next::Lut, Next::Ending);
        let lowered = lower_block(number, block.activation, &dense, &input, next, parameters)?;
        nodes.extend(lowered);
        if let Some(ending) = ending {
            ending.append(&mut nodes)?;
        }
        bias = &block.dense.bias;
    }
    check_finite(&nodes)?;
    Ok(nodes)
}

/// How scores of this last layer end.
fn ending(dense: &Dense, policy: OutputPolicy, parameters: &'static ParameterSet) -> Ending {
    let weights = &dense.weights.integers;
    let squares = (0..weights.rows()).map(|row| square_sum(weights.row(row).iter().copied()));
    let carried = squares.fold(0.0, f64::max) * parameters.lut_output_variance(PRECISION);
    Ending::new(policy, parameters, carried, SCORES_FLOOD)
}

/// What a block works on: values whose biases are still to be added, which the block's LUTs do.
struct Input<'a> {
    node: NodeId,
    values: &'a [Value],
    bias: &'a [f64],
}

/// The lookup of the bag. The scale of the bag is the same for all columns, so the column with the
/// largest integer decides.
fn lower_embedding(embedding: &Embedding, parameters: &ParameterSet) -> Result<Node, CircuitError> {
    let table = &embedding.table.integers;
    let columns: Vec<(f64, f64)> = (0..table.columns())
        .map(|column| {
            let largest = table.column(column).map(magnitude).fold(0.0, f64::max);
            (largest, square_sum(table.column(column)))
        })
        .collect();
    let limit = |&(largest, squares): &(f64, f64)| {
        let carried = squares * parameters.request_variance();
        room(LUT_HALF_RANGE, carried + parameters.lut_input_variance()) / largest
    };
    let scale = rounded(columns.iter().map(limit).fold(f64::INFINITY, f64::min));
    if !(scale.is_finite() && scale > 0.0) {
        let carried = columns
            .iter()
            .map(|(_, squares)| squares * parameters.request_variance());
        let variance = carried.fold(0.0, f64::max) + parameters.lut_input_variance();
        return Err(no_room("embedding", guard_part(LUT_HALF_RANGE, variance)));
    }
    let values = columns
        .iter()
        .zip(&embedding.table.step)
        .map(|(&(largest, squares), &step)| Value {
            scale: scale / step,
            bound: scale * largest,
            variance: squares * parameters.request_variance(),
        })
        .collect();
    Ok(Node {
        name: "embedding".to_owned(),
        op: Op::Lookup {
            table: table.clone(),
            multiplier: 1,
            input_scale: scale,
        },
        inputs: Vec::new(),
        values,
        energy: 0.0,
    })
}

/// LUTs and the linear layer they feed. The linear layer's range decides the LUTs' output scale, one
/// for all of them.
fn lower_block(
    number: usize,
    activation: Function,
    dense: &Dense,
    input: &Input<'_>,
    next: Next<'_>,
    parameters: &ParameterSet,
) -> Result<[Node; 2], CircuitError> {
    let name = format!("dense{number}");
    let cells = parameters.bootstrap_polynomial_size;
    let inputs = || input.values.iter().zip(input.bias);
    let largest: Vec<f64> = inputs()
        .map(|(value, &bias)| largest_output(activation, value, bias, cells))
        .collect();
    let rows: Vec<Row> = (0..dense.weights.integers.rows())
        .map(|row| Row::new(dense, row, &largest, next, parameters))
        .collect();
    let limit = |row: &Row| row.room / row.largest;
    let scale = rounded(rows.iter().map(limit).fold(f64::INFINITY, f64::min));
    if !(scale.is_finite() && scale > 0.0) {
        let least = rows
            .iter()
            .map(|row| row.room)
            .fold(f64::INFINITY, f64::min);
        return Err(no_room(&name, 1.0 - least / next.half_range()));
    }
    let cells = inputs().map(|(value, &input_bias)| LutCell {
        function: activation,
        input_scale: value.scale,
        input_bias,
        output_scale: scale,
        rounded: false,
    });
    let values = largest.iter().map(|&largest| Value {
        scale,
        bound: largest * scale,
        variance: parameters.lut_output_variance(PRECISION),
    });
    let lut = Node {
        name: format!("activation{number}"),
        op: Op::Lut {
            cells: cells.collect(),
            precision: PRECISION,
        },
        inputs: vec![input.node],
        values: values.collect(),
        energy: 0.0,
    };
    let lut_id = NodeId(input.node.0 + 1);
    let linear = linear_node(name, dense, &lut.values, lut_id, next);
    Ok([lut, linear])
}

/// Biases of inner layers live in the next LUTs' tables; the last layer's are added to the scores.
fn linear_node(
    name: String,
    dense: &Dense,
    inputs: &[Value],
    source: NodeId,
    next: Next<'_>,
) -> Node {
    let weights = &dense.weights.integers;
    let scale = |row: usize| inputs[0].scale / dense.weights.step[row];
    let bias: Vec<f64> = (0..weights.rows())
        .map(|row| match next {
            Next::Ending(_) => dense.bias[row] * scale(row),
            Next::Lut => 0.0,
        })
        .collect();
    let values = (0..weights.rows())
        .map(|row| {
            let terms = || weights.row(row).iter().zip(inputs);
            let bound: f64 = terms().map(|(&w, v)| magnitude(w) * v.bound).sum();
            Value {
                scale: scale(row),
                bound: bias[row].abs() + bound,
                variance: terms()
                    .map(|(&w, v)| magnitude(w).powi(2) * v.variance)
                    .sum(),
            }
        })
        .collect();
    Node {
        name,
        op: Op::Linear {
            weights: weights.clone(),
            bias,
        },
        inputs: vec![source],
        values,
        energy: 0.0,
    }
}

/// What comes after a linear layer.
#[derive(Clone, Copy)]
enum Next<'a> {
    Lut,
    Ending(&'a Ending),
}

impl Next<'_> {
    fn half_range(self) -> f64 {
        match self {
            Self::Lut => LUT_HALF_RANGE,
            Self::Ending(ending) => ending.half_range(),
        }
    }
}

/// What an output of a linear layer must fit into, whatever the scale of the LUT outputs that it sums up.
struct Row {
    /// The largest absolute value on the torus.
    room: f64,
    /// The largest sum, in units of the scale.
    largest: f64,
}

impl Row {
    /// `largest` are the LUTs' largest outputs.
    fn new(
        dense: &Dense,
        row: usize,
        largest: &[f64],
        next: Next<'_>,
        parameters: &ParameterSet,
    ) -> Self {
        let weights = dense.weights.integers.row(row);
        let terms = weights.iter().zip(largest);
        let sum: f64 = terms.map(|(&w, &largest)| magnitude(w) * largest).sum();
        match next {
            Next::Ending(ending) => Self {
                room: ending.room(),
                largest: sum + dense.bias[row].abs() / dense.weights.step[row],
            },
            Next::Lut => {
                let squares = square_sum(weights.iter().copied());
                let carried = squares * parameters.lut_output_variance(PRECISION);
                Self {
                    room: room(LUT_HALF_RANGE, carried + parameters.lut_input_variance()),
                    largest: sum,
                }
            }
        }
    }
}

/// The largest absolute output of a function over all the inputs a value can take, guard band
/// included: over the cells of its table, which is all that a LUT can return, and both ends.
fn largest_output(function: Function, value: &Value, bias: f64, cells: usize) -> f64 {
    let at = |torus: f64| function.evaluate(torus / value.scale + bias).abs();
    let ends = at(-LUT_HALF_RANGE).max(at(LUT_HALF_RANGE));
    (0..cells)
        .map(|i| at(cell_centre(i, cells)))
        .fold(ends, f64::max)
}

fn magnitude(weight: i8) -> f64 {
    f64::from(weight).abs()
}

fn square_sum(weights: impl Iterator<Item = i8>) -> f64 {
    weights.map(|w| f64::from(w).powi(2)).sum()
}
