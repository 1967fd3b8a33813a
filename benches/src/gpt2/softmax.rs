//! Softmax of one head's rows, causal or not, by LUTs that survive noise.
//!
//! `p_j = exp(s_j - log sum exp s)`. A sum of exponentials would span orders of magnitude, and noise at the
//! logarithm's input would drown all but the largest. Instead scores meet in pairs, as in a tournament:
//!
//! ```text
//! log(exp a + exp b) = (a + b) / 2 + log(2 cosh((a - b) / 2))
//! ```
//!
//! One LUT of the difference a meeting, whose slope is at most 1/2, and no exponentials until the end. To halve
//! is to double the scale of everything else, so each round's values have twice the scale of those
//! before. A row of m scores takes m - 1 LUTs, and m for its exponentials; one of a single score needs none.

use cipherformer_circuit::graph::{IntMatrix, cell_centre};
use cipherformer_circuit::noise::guard_in_stds;
use cipherformer_circuit::{GUARD_LOG2, LUT_HALF_RANGE, ParameterSet, Precision};
use cipherformer_fhe::{EvaluationKey, FheError, PreparedLut, Scalars, concat, linear, split};
use rayon::prelude::*;

use super::model::log_sum_exp;

/// The rounds of all rows of a head, and the exponentials after them.
pub(super) struct Softmax {
    rounds: Vec<Round>,
    /// Scores, then logarithms of sums, to arguments of the exponential, but for rows of one.
    exponents: IntMatrix,
    /// Whether the first row is one of one.
    single: bool,
    /// Torus units per real unit of the exponential's argument, and its range's middle in torus units.
    scale: f64,
    middle: f64,
    /// Torus units of a probability of 1.
    unit: f64,
}

/// One round: all rows of one head at once.
struct Round {
    /// \[meetings x values\]: the differences.
    differences: IntMatrix,
    /// \[next values x (values + meetings)\]: sums and what LUTs add; who has no opponent is doubled.
    sums: IntMatrix,
    /// Torus units per real unit of the differences, and of the next values.
    scales: [f64; 2],
}

/// Largest difference of two scores or logarithms that meet, and of a score and the logarithm of the sum.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SoftmaxRange {
    pub(super) difference: f64,
    pub(super) exponent: f64,
}

impl SoftmaxRange {
    /// Widens the range to what happens in these rows.
    pub(super) fn include(&mut self, rows: &[Vec<f64>]) {
        for row in rows.iter().filter(|row| row.len() > 1) {
            let mut values = row.clone();
            while values.len() > 1 {
                let difference = |pair: &[f64]| (pair[0] - pair[pair.len() - 1]).abs();
                let largest = values.chunks(2).map(difference).fold(0.0, f64::max);
                self.difference = self.difference.max(largest);
                values = values.chunks(2).map(log_sum_exp).collect();
            }
            let exponents = row.iter().map(|s| values[0] - s);
            self.exponent = exponents.fold(self.exponent, f64::max);
        }
    }
}

impl Softmax {
    /// For rows of so many scores, whose noise has the variance `noise` at [`Softmax::score_scale`]; only the first may be
    /// a row of one.
    pub(super) fn new(
        lengths: &[usize],
        range: SoftmaxRange,
        noise: f64,
        unit: f64,
        parameters: &ParameterSet,
    ) -> Self {
        let rounds = rounds(lengths);
        let carried = carried_variance(rounds, noise, parameters) + parameters.lut_input_variance();
        let room = LUT_HALF_RANGE - guard_in_stds(GUARD_LOG2) * carried.sqrt();
        // A difference is at most `range.difference` either way, an exponent between 0 and -`range.exponent`.
        let scale = room / range.difference.max(range.exponent);
        let mut left = lengths.to_vec();
        let rounds: Vec<Round> = (0..rounds)
            .map(|round| {
                let own = scale * f64::from(1 << round) / f64::from(1 << (rounds - 1));
                let built = Round::new(&left, 1 << (rounds - 1 - round), [scale, 2.0 * own]);
                left.iter_mut().for_each(|n| *n = n.div_ceil(2));
                built
            })
            .collect();
        Self {
            exponents: exponents(lengths, 1 << rounds.len()),
            single: lengths[0] == 1,
            rounds,
            scale: 2.0 * scale,
            middle: scale * range.exponent,
            unit,
        }
    }

    /// Torus units per unit of a score.
    pub(super) fn score_scale(&self) -> f64 {
        self.scale / f64::from(1 << self.rounds.len())
    }

    /// How many LUTs a head takes.
    pub(super) fn luts(&self) -> usize {
        let meetings = self.rounds.iter().map(|round| round.differences.rows());
        meetings.sum::<usize>() + self.exponents.rows()
    }

    /// Probabilities of every head, from its scores: row after row, the 1 of a row of one included.
    pub(super) fn apply(
        &self,
        scores: &[Scalars],
        key: &EvaluationKey,
    ) -> Result<Vec<Scalars>, FheError> {
        let mut values = scores.to_vec();
        for round in &self.rounds {
            values = round.apply(&values, key)?;
        }
        let arguments = linear_each(&self.exponents, self.middle, &with(scores, &values))?;
        let (scale, middle, unit) = (self.scale, self.middle, self.unit);
        let exponential = |x: f64| unit * ((x - middle) / scale).min(0.0).exp();
        let precision = Precision::Full; // the products with inputs that follow ask for it
        let others = lut_each(exponential, precision, &arguments, key)?;
        if !self.single {
            return Ok(others);
        }
        let heads = scores.iter().zip(&others);
        heads
            .map(|(scores, others)| {
                let columns = scores.lwe_ciphertext_count().0;
                let nothing = IntMatrix::new(1, columns, vec![0; columns]).expect("it fits");
                Ok(concat(&[&linear(&nothing, &[unit], scores)?, others]))
            })
            .collect()
    }
}

impl Round {
    fn new(lengths: &[usize], weight: i8, scales: [f64; 2]) -> Self {
        let values: usize = lengths.iter().sum();
        let meetings: usize = lengths.iter().map(|n| n / 2).sum();
        let (mut differences, mut sums) = (Vec::new(), Vec::new());
        let mut start = 0;
        for &length in lengths {
            for first in (start..start + length).step_by(2) {
                let mut sum = vec![0i8; values + meetings];
                if first + 1 < start + length {
                    sum[values + differences.len() / values] = 1;
                    (sum[first], sum[first + 1]) = (1, 1);
                    let mut difference = vec![0i8; values];
                    (difference[first], difference[first + 1]) = (weight, -weight);
                    differences.extend(difference);
                } else {
                    sum[first] = 2;
                }
                sums.extend(sum);
            }
            start += length;
        }
        let next = sums.len() / (values + meetings);
        Self {
            differences: IntMatrix::new(meetings, values, differences).expect("it fits"),
            sums: IntMatrix::new(next, values + meetings, sums).expect("it fits"),
            scales,
        }
    }

    fn apply(&self, values: &[Scalars], key: &EvaluationKey) -> Result<Vec<Scalars>, FheError> {
        let [input, output] = self.scales;
        let differences = linear_each(&self.differences, 0.0, values)?;
        let meeting = |x: f64| output * (2.0 * (x / input / 2.0).cosh()).ln();
        let added = lut_each(meeting, Precision::Coarse, &differences, key)?;
        linear_each(&self.sums, 0.0, &with(values, &added))
    }
}

/// How many rounds the longest row takes.
fn rounds(lengths: &[usize]) -> usize {
    let longest = lengths.iter().copied().fold(1, usize::max);
    longest.next_power_of_two().ilog2() as usize
}

/// \[exponents x (scores + rows)\]: a row's scores, times this factor, less the logarithm of its sum.
fn exponents(lengths: &[usize], factor: i8) -> IntMatrix {
    let count: usize = lengths.iter().sum();
    let columns = count + lengths.len();
    let (mut exponents, mut score) = (Vec::new(), 0);
    for (i, &length) in lengths.iter().enumerate() {
        for _ in 0..length {
            let mut row = vec![0; columns];
            (row[score], row[count + i]) = (factor, -1);
            score += 1;
            if length > 1 {
                exponents.extend(row);
            }
        }
    }
    IntMatrix::new(exponents.len() / columns, columns, exponents).expect("it fits")
}

/// Largest variance of the noise that the exponential's argument, or a difference, carries.
fn carried_variance(rounds: usize, noise: f64, parameters: &ParameterSet) -> f64 {
    let rounds = rounds as i32;
    let lut = parameters.lut_output_variance(Precision::Coarse);
    let (mut value, mut largest) = (noise, 0.0f64);
    for round in 0..rounds {
        largest = largest.max(2.0 * value * 4f64.powi(rounds - 1 - round));
        value = (2.0 * value + lut).max(4.0 * value);
    }
    largest.max(4f64.powi(rounds) * noise + value)
}

/// Heads' values, each followed by more of the same head.
fn with(values: &[Scalars], more: &[Scalars]) -> Vec<Scalars> {
    let pairs = values.iter().zip(more);
    pairs
        .map(|(values, more)| concat(&[values, more]))
        .collect()
}

fn linear_each(
    weights: &IntMatrix,
    bias: f64,
    heads: &[Scalars],
) -> Result<Vec<Scalars>, FheError> {
    let bias = vec![bias; weights.rows()];
    let heads = heads.par_iter();
    heads.map(|values| linear(weights, &bias, values)).collect()
}

/// One function of all values of all heads, in one batch.
fn lut_each(
    function: impl Fn(f64) -> f64,
    precision: Precision,
    heads: &[Scalars],
    key: &EvaluationKey,
) -> Result<Vec<Scalars>, FheError> {
    let parameters = key.parameters();
    let cells = parameters.bootstrap_polynomial_size;
    let entry = |i| (function(cell_centre(i, cells)) * 64f64.exp2()) as i64 as u64;
    let table: Vec<u64> = (0..cells).map(entry).collect();
    let all = concat(&heads.iter().collect::<Vec<_>>());
    let tables = vec![table; all.lwe_ciphertext_count().0];
    let lut = PreparedLut::from_tables(tables, precision, parameters)?;
    let length = heads[0].lwe_ciphertext_count().0;
    Ok(split(&lut.apply(&all, key, &|_| ())?, length))
}
