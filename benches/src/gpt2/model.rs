//! Random weights and inputs, and attention in real numbers.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Normal};
use rayon::prelude::*;

use super::{GPT2, Shape};

/// Standard deviations of the order of those of GPT-2 small's first layer: inputs after the norm's gain, weights
/// of keys and queries, of values, of the output, biases. Random matrices have no structure; a quarter more
/// than trained ones have in queries and keys makes their scores spread (standard deviation about 1.8). Weights of
/// fewer inputs are larger, so that all that comes out of them is as large ([`Shape::spread`]).
const INPUT: f64 = 0.18;
const QUERY: f64 = 0.27;
const VALUE: f64 = 0.1;
const OUTPUT: f64 = 0.15;
const BIAS: f64 = 0.2;

/// A vector or the rows of a matrix.
pub(super) type Rows = Vec<Vec<f64>>;

/// The weights of one head, \[head x width\] and \[head\].
#[derive(Clone, Debug)]
pub(super) struct Head {
    query: Rows,
    query_bias: Vec<f64>,
    key: Rows,
    value: Rows,
    value_bias: Vec<f64>,
}

/// Attention: one head without output projection, or all of them with it.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) shape: Shape,
    pub(super) heads: Vec<Head>,
    /// \[width x all heads\] and \[width\]; none for one head.
    output: Option<(Rows, Vec<f64>)>,
}

struct Draw(StdRng);

impl Draw {
    fn vector(&mut self, length: usize, std: f64) -> Vec<f64> {
        let normal = Normal::new(0.0, std).expect("a positive deviation");
        normal.sample_iter(&mut self.0).take(length).collect()
    }

    fn rows(&mut self, rows: usize, columns: usize, std: f64) -> Rows {
        (0..rows).map(|_| self.vector(columns, std)).collect()
    }
}

impl Model {
    /// Weights of so many heads of GPT-2 from a seed.
    pub fn new(heads: usize, seed: u64) -> Self {
        Self::of(Shape { heads, ..GPT2 }, seed)
    }

    /// Weights from a seed.
    pub fn of(shape: Shape, seed: u64) -> Self {
        let mut draw = Draw(StdRng::seed_from_u64(seed));
        Self {
            shape,
            heads: (0..shape.heads)
                .map(|_| Head::new(shape, &mut draw))
                .collect(),
            output: shape.projects().then(|| {
                let columns = shape.heads * shape.head;
                let rows = draw.rows(shape.width, columns, OUTPUT * Shape::spread(columns));
                (rows, draw.vector(shape.width, BIAS))
            }),
        }
    }

    /// GPT-2's inputs of this many tokens.
    pub fn inputs(tokens: usize, seed: u64) -> Rows {
        Self::inputs_of(GPT2, tokens, seed)
    }

    /// Inputs of this many tokens.
    pub fn inputs_of(shape: Shape, tokens: usize, seed: u64) -> Rows {
        Draw(StdRng::seed_from_u64(seed)).rows(tokens, shape.width, INPUT)
    }

    /// Scores of one head: `[i][j]`, j over what i sees.
    pub(super) fn scores(&self, head: usize, inputs: &[Vec<f64>]) -> Rows {
        let (head, root) = (&self.heads[head], (self.shape.head as f64).sqrt());
        let query = |x: &Vec<f64>| add(&apply(&head.query, x), &head.query_bias);
        let keys: Rows = inputs.iter().map(|x| apply(&head.key, x)).collect();
        let row = |(x, seen)| {
            let query = query(x);
            let scores = keys[..seen].iter().map(|key| dot(&query, key) / root);
            scores.collect()
        };
        let seen = self.shape.seen(inputs.len());
        inputs.iter().zip(seen).map(row).collect()
    }

    /// Probabilities of one head: `[i][j]`, j over what i sees.
    pub fn probabilities(&self, head: usize, inputs: &[Vec<f64>]) -> Rows {
        let scores = self.scores(head, inputs);
        scores.iter().map(|row| softmax(row)).collect()
    }

    /// The layer's output for every token.
    pub fn forward(&self, inputs: &[Vec<f64>]) -> Rows {
        let heads: Vec<Rows> = (0..self.heads.len())
            .into_par_iter()
            .map(|head| {
                let weights = &self.heads[head];
                let value = |x: &Vec<f64>| add(&apply(&weights.value, x), &weights.value_bias);
                let values: Rows = inputs.iter().map(value).collect();
                let rows = self.probabilities(head, inputs);
                rows.iter().map(|row| mix(row, &values)).collect()
            })
            .collect();
        let token = |i: usize| {
            let mixed: Vec<f64> = heads.iter().flat_map(|head| head[i].clone()).collect();
            match &self.output {
                Some((rows, bias)) => add(&apply(rows, &mixed), bias),
                None => mixed,
            }
        };
        (0..inputs.len()).map(token).collect()
    }

    /// A of one head: \[width x width\], and a row for the query's bias.
    pub(super) fn score_matrix(&self, head: usize) -> Rows {
        let (head, root) = (&self.heads[head], (self.shape.head as f64).sqrt());
        let scaled = |row: &Vec<f64>| row.iter().map(|x| x / root).collect();
        let keys: Rows = head.key.iter().map(scaled).collect();
        let mut rows = times(&transposed(&head.query), &keys);
        rows.push(mix(&head.query_bias, &keys));
        rows
    }

    /// M of one head: \[outputs x width\].
    pub(super) fn output_matrix(&self, head: usize) -> Rows {
        let (value, width) = (&self.heads[head].value, self.shape.head);
        match &self.output {
            Some((rows, _)) => {
                let columns = head * width..(head + 1) * width;
                let own: Rows = rows.iter().map(|row| row[columns.clone()].into()).collect();
                times(&own, value)
            }
            None => value.clone(),
        }
    }

    /// What is added to every token's output.
    pub(super) fn output_bias(&self) -> Vec<f64> {
        let heads = self.heads.iter();
        let values: Vec<f64> = heads.flat_map(|head| head.value_bias.clone()).collect();
        match &self.output {
            Some((rows, bias)) => add(&apply(rows, &values), bias),
            None => values,
        }
    }
}

impl Head {
    /// The key's bias adds the same to all scores of a token: softmax does not see it.
    fn new(shape: Shape, draw: &mut Draw) -> Self {
        let Shape { head, width, .. } = shape;
        let spread = Shape::spread(width);
        Self {
            query: draw.rows(head, width, QUERY * spread),
            query_bias: draw.vector(head, BIAS),
            key: draw.rows(head, width, QUERY * spread),
            value: draw.rows(head, width, VALUE * spread),
            value_bias: draw.vector(head, BIAS),
        }
    }
}

/// The mean entropy of rows of probabilities, as a part of that of equal ones; rows of one do not count.
pub fn mean_entropy(rows: &[Vec<f64>]) -> f64 {
    let rows = || rows.iter().filter(|row| row.len() > 1);
    let entropy = |row: &Vec<f64>| {
        let terms = row.iter().filter(|p| **p > 0.0);
        terms.map(|p| -p * p.ln()).sum::<f64>() / (row.len() as f64).ln()
    };
    rows().map(entropy).sum::<f64>() / rows().count().max(1) as f64
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let log_sum = log_sum_exp(scores);
    scores.iter().map(|s| (s - log_sum).exp()).collect()
}

pub(super) fn log_sum_exp(scores: &[f64]) -> f64 {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|s| (s - largest).exp()).sum();
    largest + sum.ln()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Matrix times vector.
fn apply(rows: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    rows.iter().map(|row| dot(row, x)).collect()
}

/// The sum of rows, weighted.
fn mix(weights: &[f64], rows: &[Vec<f64>]) -> Vec<f64> {
    let mut sum = vec![0.0; rows[0].len()];
    for (weight, row) in weights.iter().zip(rows) {
        for (sum, x) in sum.iter_mut().zip(row) {
            *sum += weight * x;
        }
    }
    sum
}

/// Matrix times matrix.
fn times(a: &[Vec<f64>], b: &[Vec<f64>]) -> Rows {
    a.par_iter().map(|row| mix(row, b)).collect()
}

fn transposed(rows: &[Vec<f64>]) -> Rows {
    let column = |i: usize| rows.iter().map(|row| row[i]).collect();
    (0..rows[0].len()).map(column).collect()
}
