//! From floating point to small integers.

use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::{Block, Dense, Embedding, Function, Model, Quantized};

use crate::recipe::Recipe;
use crate::train::FloatModel;

impl FloatModel {
    /// The model with integer weights: each embedding column has its own step, which takes in the gain;
    /// the last layer has one step. Its two rows are halves of the difference of the scores.
    pub fn quantize(&self, recipe: &Recipe) -> Model {
        Model {
            embedding: self.quantize_embedding(recipe),
            blocks: vec![Block {
                activation: Function::Tanh,
                dense: self.quantize_dense(recipe),
            }],
        }
    }

    fn quantize_embedding(&self, recipe: &Recipe) -> Embedding {
        let width = self.weights.len();
        let mut table = columns(&self.embedding, width, recipe.embedding_limit);
        for step in &mut table.step {
            *step *= self.gain;
        }
        Embedding {
            table,
            bias: vec![0.0; width],
        }
    }

    fn quantize_dense(&self, recipe: &Recipe) -> Dense {
        two_sided(&Dense {
            weights: rows(&self.weights, 1, recipe.weight_limit),
            bias: vec![f64::from(self.bias)],
        })
    }
}

/// A matrix of this many columns, each with a step of its own, at which its largest weight is `limit`.
pub(crate) fn columns(weights: &[f32], width: usize, limit: i8) -> Quantized {
    let step: Vec<f64> = (0..width)
        .map(|column| step(weights.iter().skip(column).step_by(width), limit))
        .collect();
    let data = weights.iter().enumerate();
    let data = data.map(|(index, &x)| to_integer(x, step[index % width]));
    let integers = IntMatrix::new(weights.len() / width, width, data.collect())
        .expect("the weights fill their rows");
    Quantized { integers, step }
}

/// A matrix of this many rows, each with a step of its own, at which its largest weight is `limit`.
pub(crate) fn rows(weights: &[f32], rows: usize, limit: i8) -> Quantized {
    let width = weights.len() / rows;
    let step: Vec<f64> = weights
        .chunks(width)
        .map(|row| step(row.iter(), limit))
        .collect();
    let data = weights.iter().enumerate();
    let data = data.map(|(index, &x)| to_integer(x, step[index / width]));
    let integers =
        IntMatrix::new(rows, width, data.collect()).expect("the weights fill their rows");
    Quantized { integers, step }
}

/// A matrix of this many rows, all of one step, so that their sums can be compared: the finest that any row has in
/// [`rows`], or what a byte holds. Not finer: noise grows with the integers.
pub(crate) fn comparable_rows(weights: &[f32], count: usize, limit: i8) -> Quantized {
    let own = rows(weights, count, limit).step.into_iter();
    let step = own
        .fold(f64::INFINITY, f64::min)
        .max(step(weights.iter(), i8::MAX));
    let data = weights.iter().map(|&x| to_integer(x, step));
    let integers = IntMatrix::new(count, weights.len() / count, data.collect())
        .expect("the weights fill their rows");
    Quantized {
        integers,
        step: vec![step; count],
    }
}

/// The two scores of one logit, each other's negatives, half of it each: their softmax is the logit's sigmoid.
pub(crate) fn two_sided(logit: &Dense) -> Dense {
    let (row, step) = (logit.weights.integers.row(0), logit.weights.step[0]);
    let data = row.iter().map(|w| -w).chain(row.iter().copied());
    let integers = IntMatrix::new(2, row.len(), data.collect()).expect("two rows of the same");
    let bias = logit.bias[0] / 2.0;
    Dense {
        weights: Quantized {
            integers,
            step: vec![step / 2.0; 2],
        },
        bias: vec![-bias, bias],
    }
}

/// The real value of one unit, when the largest of the values is to become `limit`.
fn step<'a>(values: impl Iterator<Item = &'a f32>, limit: i8) -> f64 {
    let largest = values.fold(0f32, |largest, value| largest.max(value.abs()));
    if largest > 0.0 {
        f64::from(largest) / f64::from(limit)
    } else {
        1.0
    }
}

/// At most 127 in absolute value, as `step` is at least the largest value divided by 127.
fn to_integer(value: f32, step: f64) -> i8 {
    (f64::from(value) / step).round() as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_fill_their_range_and_stand_for_the_weights() {
        let float = FloatModel {
            embedding: vec![0.5, -1.0, 0.25, 0.2, -0.5, 0.0],
            weights: vec![0.3, -0.1],
            bias: 0.4,
            gain: 3.0,
        };
        let model = float.quantize(&Recipe::default());
        let table = &model.embedding.table;
        assert_eq!(table.integers.data(), [127, -127, 64, 25, -127, 0]);
        assert!((table.step[0] * 127.0 - 1.5).abs() < 1e-6);
        let dense = &model.blocks[0].dense;
        assert_eq!(dense.weights.integers.data(), [-15, 5, 15, -5]);
        assert!((dense.weights.step[1] * 15.0 - 0.15).abs() < 1e-6);
        assert!((dense.bias[1] - 0.2).abs() < 1e-6 && dense.bias[0] == -dense.bias[1]);
    }
}
