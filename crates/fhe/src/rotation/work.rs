//! What a thread needs to rotate accumulators, and the steps of one block of the small key.

use cipherformer_circuit::{ParameterSet, Precision};
use tfhe::core_crypto::prelude::PolynomialSize;

use super::Accumulator;
use super::powers::{Power, Powers};
use super::product::add_block;
use crate::fft::{GROUP_REALS, Transform};
use crate::gadget::Gadget;
use crate::ring::running_sums;
use crate::simd::vectorized;

/// How many accumulators share a reading of the key from the second cache.
pub(super) const TOGETHER: usize = 3;

/// What one thread needs.
pub(super) struct Work {
    transform: Transform,
    gadget: Gadget,
    levels: u32,
    size: usize,
    /// A body to be decomposed.
    body: Vec<u64>,
    /// At each coefficient, what rounds off of all masks together.
    errors: Vec<u64>,
    lanes: [Lane; TOGETHER],
}

/// What one accumulator needs.
pub(super) struct Lane {
    /// For every group of points, that group of all digits' polynomials: level by level those of the masks and the
    /// body.
    pub(super) digits: Vec<f64>,
    /// For every polynomial, its groups of points.
    pub(super) sums: Vec<f64>,
    /// For every bit of a block.
    pub(super) powers: Vec<Power>,
}

impl Lane {
    /// k + 1
    pub(super) fn polynomials(&self) -> usize {
        self.sums.len() / (self.powers[0].groups.len() * GROUP_REALS)
    }
}

impl Work {
    pub(super) fn new(parameters: &'static ParameterSet, precision: Precision) -> Self {
        let size = parameters.bootstrap_polynomial_size;
        let polynomials = parameters.bootstrap_glwe_dimension + 1;
        let decomposition = parameters.lut_decomposition(precision);
        let lane = || Lane {
            digits: vec![0.0; size * polynomials * decomposition.levels as usize],
            sums: vec![0.0; size * polynomials],
            powers: (0..parameters.lwe_block)
                .map(|_| Power::new(size))
                .collect(),
        };
        Self {
            transform: Transform::new(PolynomialSize(size)),
            gadget: Gadget::new(decomposition),
            levels: decomposition.levels,
            size,
            body: vec![0; size],
            errors: vec![0; size],
            lanes: std::array::from_fn(|_| lane()),
        }
    }

    /// Sets for each accumulator to come the powers of X that a block's bits stand for.
    pub(super) fn set_powers<'a>(
        &mut self,
        powers: &Powers,
        exponents: impl Iterator<Item = &'a [usize]>,
    ) {
        for (exponents, lane) in exponents.zip(&mut self.lanes) {
            for (&exponent, power) in exponents.iter().zip(&mut lane.powers) {
                powers.set(power, exponent);
            }
        }
    }

    /// Adds to each of at most [`TOGETHER`] accumulators the sum over a block's bits of GGSW times `X^a - 1` times
    /// the accumulator.
    pub(super) fn add_block(&mut self, levels: &[&[f64]], accumulators: &mut [Accumulator]) {
        for (lane, accumulator) in accumulators.iter().enumerate() {
            self.decompose(lane, accumulator);
        }
        let lanes = self.lanes.each_mut();
        match accumulators.len() {
            1 => {
                let [first, ..] = lanes;
                add_block(levels, [first]);
            }
            2 => {
                let [first, second, _] = lanes;
                add_block(levels, [first, second]);
            }
            _ => add_block(levels, lanes),
        }
        for (lane, accumulator) in self.lanes.iter().zip(accumulators) {
            let sums = lane.sums.chunks(self.size);
            for (sum, polynomial) in sums.zip(accumulator.chunks_mut(self.size)) {
                self.transform.backward(
                    sum,
                    1.0,
                    polynomial,
                    #[inline(always)]
                    |old, new| old.wrapping_add(new),
                );
            }
        }
    }

    /// Leaves the accumulator's digits in a lane.
    fn decompose(&mut self, lane: usize, accumulator: &Accumulator) {
        self.centre_rounding(accumulator);
        let masks = accumulator.len() - self.size;
        let polynomials = accumulator.len() / self.size;
        let masks = accumulator[..masks].chunks(self.size);
        let step = self.levels as usize * polynomials;
        for (column, polynomial) in masks.chain([self.body.as_slice()]).enumerate() {
            for level in 1..=self.levels {
                let row = (level as usize - 1) * polynomials + column;
                let out = &mut self.lanes[lane].digits[row * GROUP_REALS..];
                self.transform
                    .forward(polynomial, out, step, self.gadget.digit(level));
            }
        }
    }

    /// Sets `body` to the accumulator's, plus what rounding the masks takes from the phase on average: as half of
    /// the key's bits are 1, half of the errors' product with a key of ones. What remains of the errors meets key
    /// bits of plus or minus 1/2, and has half the variance.
    fn centre_rounding(&mut self, accumulator: &Accumulator) {
        let (masks, body) = accumulator.split_at(accumulator.len() - self.size);
        let gadget = self.gadget;
        vectorized(
            (&mut self.errors, &mut self.body),
            #[inline(always)]
            |(errors, out)| {
                errors.fill(0);
                for mask in masks.chunks_exact(errors.len()) {
                    for (error, &x) in errors.iter_mut().zip(mask) {
                        *error = error.wrapping_add(gadget.error(x));
                    }
                }
                // Errors times a key of ones are twice the running sums less the total.
                let half = (running_sums(errors) as i64 / 2) as u64;
                for ((out, body), sum) in out.iter_mut().zip(body).zip(errors.iter()) {
                    *out = body.wrapping_add(*sum).wrapping_sub(half);
                }
            },
        );
    }
}
