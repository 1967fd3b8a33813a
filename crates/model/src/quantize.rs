//! From floating point to small integers.

use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::{Block, Dense, Embedding, Function, Model, Quantized};

use crate::recipe::Recipe;
use crate::train::FloatModel;

impl FloatModel {
    /// The model with integer weights: each embedding column has its own step, which takes in the gain;
    /// the last layer has one step. Its two rows are each other's negatives, half a difference each.
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
        let limit = f64::from(recipe.embedding_limit);
        let step: Vec<f64> = (0..width)
            .map(|column| {
                let column = self.embedding.iter().skip(column).step_by(width);
                step(column, limit)
            })
            .collect();
        let data = self.embedding.iter().enumerate();
        let data = data.map(|(index, &x)| to_integer(x, step[index % width]));
        let integers = IntMatrix::new(self.embedding.len() / width, width, data.collect())
            .expect("the embedding is entries x width");
        Embedding {
            table: Quantized {
                integers,
                step: step.iter().map(|step| step * self.gain).collect(),
            },
            bias: vec![0.0; width],
        }
    }

    fn quantize_dense(&self, recipe: &Recipe) -> Dense {
        let step = step(self.weights.iter(), f64::from(recipe.weight_limit));
        let row: Vec<i8> = self.weights.iter().map(|&w| to_integer(w, step)).collect();
        let data = row.iter().map(|w| -w).chain(row.iter().copied());
        let integers = IntMatrix::new(2, row.len(), data.collect()).expect("two rows of the same");
        let bias = f64::from(self.bias) / 2.0;
        Dense {
            weights: Quantized {
                integers,
                step: vec![step / 2.0; 2],
            },
            bias: vec![-bias, bias],
        }
    }
}

/// The real value of one unit, when the largest of the values is to become `limit`.
fn step<'a>(values: impl Iterator<Item = &'a f32>, limit: f64) -> f64 {
    let largest = values.fold(0f32, |largest, value| largest.max(value.abs()));
    if largest > 0.0 {
        f64::from(largest) / limit
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
