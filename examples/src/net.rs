//! A small classifier of texts, trained by hand and saved as safetensors: what lesson 8 imports.

use std::iter::zip;
use std::path::Path;

use anyhow::Result;
use cipherformer_circuit::Bag;
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

/// How many hidden values there are: a LUT each.
pub const WIDTH: usize = 6;

// ANCHOR: net
/// scores = dense tanh(mean of a text's embeddings): a row a word, and a row a label.
#[derive(Clone, Debug)]
pub struct Net {
    embedding: Vec<[f64; WIDTH]>,
    dense: Vec<[f64; WIDTH]>,
}

impl Net {
    /// Untrained: small weights, all different.
    pub fn new(words: usize, labels: usize) -> Self {
        let row = |i: usize| std::array::from_fn(|d| 0.3 * ((i * WIDTH + d) as f64 * 1.7).sin());
        Self {
            embedding: (0..words).map(row).collect(),
            dense: (0..labels).map(row).collect(),
        }
    }

    /// A step of gradient descent on the cross entropy of one text.
    pub fn learn(&mut self, bag: &Bag, label: usize) {
        let hidden = self.hidden(bag);
        let scores = self.dense.iter().map(|row| dot(row, &hidden).exp());
        let scores: Vec<f64> = scores.collect();
        let total: f64 = scores.iter().sum();
        let mut slopes = [0.0; WIDTH];
        for (i, row) in self.dense.iter_mut().enumerate() {
            let error = scores[i] / total - f64::from(u8::from(i == label));
            for d in 0..WIDTH {
                slopes[d] += error * row[d] * (1.0 - hidden[d] * hidden[d]) * bag.weight();
                row[d] -= 0.1 * error * hidden[d];
            }
        }
        for &word in bag.features() {
            for (weight, slope) in zip(&mut self.embedding[word], slopes) {
                *weight -= slope;
            }
        }
    }

    fn hidden(&self, bag: &Bag) -> [f64; WIDTH] {
        let rows = || bag.features().iter().map(|&word| self.embedding[word]);
        std::array::from_fn(|d| (bag.weight() * rows().map(|row| row[d]).sum::<f64>()).tanh())
    }
    // ANCHOR_END: net

    // ANCHOR: save
    /// Writes both matrices, by name, in the format that other trainers write too.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = |rows: &[[f64; WIDTH]]| -> Vec<u8> {
            let weights = rows.as_flattened().iter();
            weights.flat_map(|&w| (w as f32).to_le_bytes()).collect()
        };
        let [embedding, dense] = [&self.embedding, &self.dense].map(|rows| bytes(rows));
        let shape = |rows: &[[f64; WIDTH]]| vec![rows.len(), WIDTH];
        let tensors = [
            (
                "embedding",
                TensorView::new(Dtype::F32, shape(&self.embedding), &embedding)?,
            ),
            (
                "dense",
                TensorView::new(Dtype::F32, shape(&self.dense), &dense)?,
            ),
        ];
        Ok(serialize_to_file(tensors, None, path)?)
    }
    // ANCHOR_END: save
}

fn dot(a: &[f64; WIDTH], b: &[f64; WIDTH]) -> f64 {
    zip(a, b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns() {
        let mut net = Net::new(2, 2);
        let bags = [0, 1].map(Bag::token);
        for _ in 0..200 {
            net.learn(&bags[0], 0);
            net.learn(&bags[1], 1);
        }
        for (label, bag) in bags.iter().enumerate() {
            let hidden = net.hidden(bag);
            let scores = [0, 1].map(|i| dot(&net.dense[i], &hidden));
            assert!(scores[label] > scores[1 - label] + 1.0, "{scores:?}");
        }
    }
}
