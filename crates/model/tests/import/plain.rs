//! A transformer in its simplest form, to compare others with.

use cipherformer_circuit::Function;

use crate::files::Files;
use crate::transformer::{EPSILON, HEADS, WIDTH};

/// The model in its simplest form: one text, one position after the other, in `f64`.
pub(crate) struct Plain<'a>(pub(crate) &'a Files);

impl Plain<'_> {
    fn row(&self, name: &str, row: usize) -> Vec<f64> {
        let (shape, values) = &self.0.tensors[name];
        let width = shape[1];
        values[row * width..][..width]
            .iter()
            .map(|&x| f64::from(x))
            .collect()
    }

    fn vector(&self, name: &str) -> Vec<f64> {
        self.0.tensors[name]
            .1
            .iter()
            .map(|&x| f64::from(x))
            .collect()
    }

    fn times(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let rows = self.0.tensors[name].0[0];
        (0..rows).map(|row| dot(&self.row(name, row), x)).collect()
    }

    pub(crate) fn logits(&self, tokens: &[usize]) -> Vec<Vec<f64>> {
        let embed = |(position, &token): (usize, &usize)| {
            sum(
                &self.row("token.weight", token),
                &self.row("position.weight", position),
            )
        };
        let mut residuals: Vec<Vec<f64>> = tokens.iter().enumerate().map(embed).collect();
        for block in 0..3 {
            residuals = self.block(block, &residuals);
        }
        let bias = self.vector("unembedding.bias");
        let logits = |x: &Vec<f64>| sum(&self.times("unembedding.weight", x), &bias);
        residuals.iter().map(logits).collect()
    }

    fn block(&self, block: usize, residuals: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let name = |what: &str| format!("blocks.{block}.{what}");
        let gain = self.vector(&name("norm.weight"));
        let norm = |x: &Vec<f64>| -> Vec<f64> {
            let root = (dot(x, x) / x.len() as f64 + EPSILON).sqrt();
            x.iter().zip(&gain).map(|(x, g)| g * x / root).collect()
        };
        let norms: Vec<Vec<f64>> = residuals.iter().map(norm).collect();
        let project = |what: &str| -> Vec<Vec<f64>> {
            norms.iter().map(|x| self.times(&name(what), x)).collect()
        };
        let [query, key, value] = ["query.weight", "key.weight", "value.weight"].map(project);
        let activation = if block == 0 {
            Function::Relu
        } else {
            Function::Gelu
        };
        let one = |position: usize| {
            let mixed = attend(&query[position], &key[..=position], &value[..=position]);
            let attention = sum(
                &self.times(&name("output.weight"), &mixed),
                &self.vector(&name("output.bias")),
            );
            let up = sum(
                &self.times(&name("up.weight"), &norms[position]),
                &self.vector(&name("up.bias")),
            );
            let hidden: Vec<f64> = up.into_iter().map(|x| activation.evaluate(x)).collect();
            let mlp = sum(
                &self.times(&name("down.weight"), &hidden),
                &self.vector(&name("down.bias")),
            );
            sum(&sum(&residuals[position], &attention), &mlp)
        };
        (0..residuals.len()).map(one).collect()
    }
}

/// Softmax attention of one position.
fn attend(query: &[f64], keys: &[Vec<f64>], values: &[Vec<f64>]) -> Vec<f64> {
    let head = WIDTH / HEADS;
    let of_head = |from: usize| {
        let score = |key: &Vec<f64>| {
            dot(&query[from..][..head], &key[from..][..head]) / (head as f64).sqrt()
        };
        let weights: Vec<f64> = keys.iter().map(|key| score(key).exp()).collect();
        let all: f64 = weights.iter().sum();
        (from..from + head).map(move |i| {
            let terms = weights.iter().zip(values);
            terms.map(|(w, value)| w / all * value[i]).sum()
        })
    };
    (0..HEADS)
        .flat_map(|h| of_head(h * head).collect::<Vec<f64>>())
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}
