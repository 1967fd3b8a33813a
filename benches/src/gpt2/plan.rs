//! From real weights to integers and torus scales.

use anyhow::{Result, ensure};
use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::noise::guard_in_stds;
use cipherformer_circuit::transformer::MARGIN;
use cipherformer_circuit::{GUARD_LOG2, ParameterSet, Precision, RESPONSE_HALF_RANGE};
use cipherformer_fhe::{EncryptedScores, SecretKey};

use super::Shape;
use super::model::{Model, Rows};
use super::softmax::{Softmax, SoftmaxRange};

/// Largest integer of a token's vector in its GGSW: what noise of probabilities and scores is multiplied by.
const INPUT_LIMIT: f64 = 31.0;

/// Largest integer of A, whose products are not near their noise.
const SCORE_LIMIT: f64 = 127.0;

/// Largest integer of M: larger ones would leave less of the torus to probabilities.
const OUTPUT_LIMIT: f64 = 31.0;

/// Random texts on which ranges are calibrated.
const CALIBRATION: u64 = 64;

/// A model in integers, with the scales of everything between.
pub struct Plan {
    pub(super) shape: Shape,
    /// How many tokens each token sees.
    pub(super) seen: Vec<usize>,
    /// A of every head, \[width + 1 x width\].
    pub(super) scores: Vec<IntMatrix>,
    /// M of every head, \[outputs x width\].
    pub(super) outputs: Vec<IntMatrix>,
    /// What every output begins with, on the torus.
    pub(super) output_bias: Vec<f64>,
    pub(super) softmax: Softmax,
    /// Torus units per unit of a packed input.
    pub(super) packed_scale: f64,
    /// Real value of an integer of a token's GGSW.
    pub(super) input_step: f64,
    /// Torus units per unit of an output.
    pub(super) output_scale: f64,
}

/// What is seen on the texts for calibration.
#[derive(Default)]
struct Ranges {
    input: f64,
    /// The sum of squares of one token's vector.
    squares: f64,
    output: f64,
    softmax: SoftmaxRange,
}

impl Ranges {
    fn calibrate(model: &Model, tokens: usize) -> Self {
        let mut ranges = Self::default();
        for seed in 0..CALIBRATION {
            // Far from the seeds of inputs to measure.
            let inputs = Model::inputs_of(model.shape, tokens, seed + (1 << 32));
            ranges.input = ranges.input.max(largest(&inputs));
            let squares = |x: &Vec<f64>| x.iter().map(|x| x * x).sum::<f64>();
            ranges.squares = inputs.iter().map(squares).fold(ranges.squares, f64::max);
            ranges.output = ranges.output.max(largest(&model.forward(&inputs)));
            for head in 0..model.heads.len() {
                ranges.softmax.include(&model.scores(head, &inputs));
            }
        }
        ranges.softmax.difference *= MARGIN;
        ranges.softmax.exponent *= MARGIN;
        ranges
    }
}

impl Plan {
    /// Rounds the weights, calibrates the ranges and chooses scales.
    ///
    /// # Errors
    /// Fewer than 2 tokens, or more than 16.
    pub fn new(model: &Model, tokens: usize, parameters: &ParameterSet) -> Result<Self> {
        ensure!((2..=16).contains(&tokens), "between 2 and 16 tokens");
        let (shape, heads) = (model.shape, 0..model.heads.len());
        let ranges = Ranges::calibrate(model, tokens);
        let input_step = ranges.input / INPUT_LIMIT;
        let squares = ranges.squares / (input_step * input_step);

        let (scores, score_step) = rounded(&score_rows(model, input_step), SCORE_LIMIT);
        let outputs: Vec<Rows> = heads.map(|h| model.output_matrix(h)).collect();
        let (outputs, output_step) = rounded(&outputs, OUTPUT_LIMIT);

        let product = heaviest(&scores) * parameters.fresh_variance()
            + parameters.merging_variance(parameters.ring_dimension / shape.block);
        let noise = parameters.external_product_variance(squares, product);
        let room = RESPONSE_HALF_RANGE
            - guard_in_stds(GUARD_LOG2)
                * output_variance(&outputs, squares, tokens, parameters).sqrt();
        ensure!(room > 0.0, "the outputs' noise leaves no room for outputs");
        let output_scale = room / (ranges.output * MARGIN);
        let unit = output_scale * input_step * output_step;
        let seen = shape.seen(tokens);
        let softmax = Softmax::new(&seen, ranges.softmax, noise, unit, parameters);
        Ok(Self {
            shape,
            seen,
            scores,
            outputs,
            output_bias: model
                .output_bias()
                .iter()
                .map(|x| x * output_scale)
                .collect(),
            packed_scale: softmax.score_scale() * input_step * score_step,
            softmax,
            input_step,
            output_scale,
        })
    }

    /// Who sees whom: (i, j), row after row.
    pub(super) fn pairs(&self) -> Vec<(usize, usize)> {
        let rows = self.seen.iter().enumerate();
        rows.flat_map(|(i, &seen)| (0..seen).map(move |j| (i, j)))
            .collect()
    }

    /// How many LUTs an evaluation takes.
    pub fn luts(&self) -> usize {
        self.scores.len() * self.softmax.luts()
    }

    /// A token's outputs, decrypted.
    ///
    /// # Errors
    /// A key of another parameter set.
    pub fn decrypt(&self, response: &EncryptedScores, key: &SecretKey) -> Result<Vec<f64>> {
        let torus = response.decrypt(key)?;
        Ok(torus.iter().map(|x| x / self.output_scale).collect())
    }

    /// A token's vector, and a 1 for the query's bias, as integers.
    pub(super) fn input_integers(&self, input: &[f64]) -> Vec<i64> {
        let integer = |x: &f64| (x / self.input_step).round() as i64;
        let mut integers: Vec<i64> = input.iter().map(integer).collect();
        integers.push(constant_one(self.input_step));
        integers
    }
}

/// A of every head, for inputs whose integers stand for so much.
fn score_rows(model: &Model, input_step: f64) -> Vec<Rows> {
    // The query's bias multiplies a 1, which is this integer in the GGSW.
    let one = constant_one(input_step) as f64 * input_step;
    let head = |head| {
        let mut matrix = model.score_matrix(head);
        matrix[model.shape.width].iter_mut().for_each(|x| *x /= one);
        matrix
    };
    (0..model.heads.len()).map(head).collect()
}

/// Matrices in integers up to a limit, and what one of these stands for.
fn rounded(matrices: &[Rows], limit: f64) -> (Vec<IntMatrix>, f64) {
    let step = matrices.iter().map(|m| largest(m)).fold(0.0, f64::max) / limit;
    let rounded = matrices.iter().map(|m| integers(m, step)).collect();
    (rounded, step)
}

fn constant_one(input_step: f64) -> i64 {
    (1.0 / input_step).round() as i64
}

/// Of outputs, at most: every token's probability brings the noise of its LUT and of packing, the integers of
/// its vector multiply it, and those of M add up what comes out.
fn output_variance(
    outputs: &[IntMatrix],
    squares: f64,
    tokens: usize,
    parameters: &ParameterSet,
) -> f64 {
    let size = parameters.ring_dimension as f64;
    let packed = parameters.packing_energy(&[0]) / size;
    let mixed = tokens as f64
        * (parameters.external_product_variance(squares, packed)
            + INPUT_LIMIT * INPUT_LIMIT * parameters.lut_output_variance(Precision::Full));
    outputs.len() as f64 * heaviest(outputs) * mixed + parameters.output_variance()
}

/// The largest sum of squares of a row.
fn heaviest(matrices: &[IntMatrix]) -> f64 {
    let rows = |matrix: &IntMatrix| {
        let squares = |row| matrix.row(row).iter().map(|&w| f64::from(w).powi(2)).sum();
        (0..matrix.rows()).map(squares).fold(0.0, f64::max)
    };
    matrices.iter().map(rows).fold(0.0, f64::max)
}

fn largest(rows: &[Vec<f64>]) -> f64 {
    rows.iter().flatten().fold(0.0, |m, x| m.max(x.abs()))
}

fn integers(rows: &[Vec<f64>], step: f64) -> IntMatrix {
    let data = rows.iter().flatten().map(|x| (x / step).round() as i8);
    IntMatrix::new(rows.len(), rows[0].len(), data.collect()).expect("rows of one width")
}
