//! Blind rotation: a table, perhaps encrypted, times X to the power of an encrypted exponent.
//!
//! Chillotti et al., "TFHE", J. Cryptology 2020, section 4.3, block by block of the small key: at most one of a
//! block's bits is 1, so X to the power of its part of the phase is `1 + sum s_i (X^a_i - 1)`, and one decomposition
//! of the accumulator serves all of the block's GGSW ciphertexts (Lee, Min, Seo, Song, "Faster TFHE
//! bootstrapping with block binary keys", AsiaCCS 2023, section 3). `X^a - 1` is multiplied point by point in the
//! Fourier domain. Accumulators of a batch take turns, so that every GGSW is read from memory once.

mod powers;
mod product;

use cipherformer_circuit::parameters::Decomposition;
use cipherformer_circuit::{ParameterSet, Precision};
use rayon::prelude::*;
use tfhe::core_crypto::prelude::{LweBootstrapKeyOwned, PolynomialSize};

use crate::convert;
use crate::fft::{GROUP, GROUP_REALS, Transform, centred};
use crate::gadget::Gadget;
use crate::ring::running_sums;
use crate::simd::vectorized;
use powers::{Power, Powers};
use product::add_block;

/// How many accumulators share a reading of the key from the second cache.
const TOGETHER: usize = 3;

/// GGSW ciphertexts of the small key's bits in the Fourier domain.
pub(crate) struct BootstrapKey {
    /// For every block, every level from the first to the last, every group of points: for each bit and column,
    /// that group of the level's k + 1 rows.
    values: Vec<f64>,
    powers: Powers,
    parameters: &'static ParameterSet,
}

/// An LWE ciphertext modulo 2N.
pub(crate) struct Exponent {
    pub(crate) mask: Vec<usize>,
    pub(crate) body: usize,
}

/// Mask polynomials and body of a ciphertext in the blind rotation's ring.
pub(crate) type Accumulator = Vec<u64>;

impl BootstrapKey {
    /// Transforms the library's key, on all cores.
    pub(crate) fn new(key: &LweBootstrapKeyOwned<u64>, parameters: &'static ParameterSet) -> Self {
        let size = convert::bootstrap_size(parameters);
        let polynomials = parameters.bootstrap_glwe_dimension + 1;
        let (bits, levels) = (parameters.lwe_block, parameters.bootstrap.levels as usize);
        let level = polynomials * polynomials * size.0;
        let mut values = vec![0.0; key.as_ref().len()];
        let blocks = key.as_ref().par_chunks(bits * levels * level);
        let out = values.par_chunks_mut(bits * levels * level);
        blocks.zip(out).for_each_init(
            || Transform::new(size),
            |transform, (block, out)| {
                for (bit, ggsw) in block.chunks(levels * level).enumerate() {
                    // The library begins with the last level.
                    let levels = ggsw.chunks(level).rev();
                    for (level, out) in levels.zip(out.chunks_mut(bits * level)) {
                        for (i, polynomial) in level.chunks(size.0).enumerate() {
                            let group = bit * polynomials * polynomials + i;
                            let step = bits * polynomials * polynomials;
                            let out = &mut out[group * GROUP_REALS..];
                            transform.forward(polynomial, out, step, centred);
                        }
                    }
                }
            },
        );
        Self {
            values,
            powers: Powers::new(size),
            parameters,
        }
    }

    /// Multiplies every accumulator by X^-phase, the phase of its exponent.
    ///
    /// Cost: a block of the small key takes `levels + 1` FFTs for every polynomial of an accumulator.
    pub(crate) fn rotate(
        &self,
        accumulators: &mut [Accumulator],
        exponents: &[Exponent],
        precision: Precision,
    ) {
        let size = self.parameters.bootstrap_polynomial_size;
        for (accumulator, exponent) in accumulators.iter_mut().zip(exponents) {
            for polynomial in accumulator.chunks_mut(size) {
                let before = polynomial.to_vec();
                rotate(&before, 2 * size - exponent.body, polynomial);
            }
        }
        let bits = self.parameters.lwe_block;
        let block = self.values.len() / (self.parameters.lwe_dimension / bits);
        let mut work = Work::new(self.parameters, precision);
        for (number, block) in self.values.chunks(block).enumerate() {
            let levels = self.levels(block, precision);
            let pairs = accumulators.chunks_mut(TOGETHER);
            for (accumulators, exponents) in pairs.zip(exponents.chunks(TOGETHER)) {
                for (exponent, lane) in exponents.iter().zip(&mut work.lanes) {
                    let exponents = &exponent.mask[number * bits..][..bits];
                    for (&exponent, power) in exponents.iter().zip(&mut lane.powers) {
                        self.powers.set(power, exponent);
                    }
                }
                work.add_block(&levels, accumulators);
            }
        }
    }

    /// The levels of a block that this precision uses.
    fn levels<'a>(&self, block: &'a [f64], precision: Precision) -> Vec<&'a [f64]> {
        let full = self.parameters.bootstrap;
        let Decomposition { base_log, levels } = self.parameters.lut_decomposition(precision);
        let level = block.len() / full.levels as usize;
        // The coarse decomposition's only level scales as this one of the full decomposition does.
        let first = (base_log / full.base_log - 1) as usize;
        let all = block.chunks(level).skip(first);
        all.take(levels as usize).collect()
    }
}

/// What one thread needs.
struct Work {
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
struct Lane {
    /// For every group of points, that group of all digits' polynomials: level by level those of the masks and the
    /// body.
    digits: Vec<f64>,
    /// For every polynomial, its groups of points.
    sums: Vec<f64>,
    /// For every bit of a block.
    powers: Vec<Power>,
}

impl Lane {
    /// k + 1
    fn polynomials(&self) -> usize {
        self.sums.len() / (self.powers[0].groups.len() * GROUP_REALS)
    }
}

impl Work {
    fn new(parameters: &'static ParameterSet, precision: Precision) -> Self {
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

    /// Adds to each of at most [`TOGETHER`] accumulators the sum over a block's bits of GGSW times `X^a - 1` times
    /// the accumulator.
    fn add_block(&mut self, levels: &[&[f64]], accumulators: &mut [Accumulator]) {
        for (lane, accumulator) in accumulators.iter().enumerate() {
            self.decompose(lane, accumulator);
        }
        match accumulators.len() {
            TOGETHER => add_block(levels, self.lanes.each_mut()),
            _ => {
                for lane in &mut self.lanes[..accumulators.len()] {
                    add_block(levels, [lane]);
                }
            }
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

/// How many groups of points a polynomial of N coefficients has.
fn groups(size: usize) -> usize {
    size / 2 / GROUP
}

/// `out = X^exponent * polynomial`, exponent up to 2N.
fn rotate(polynomial: &[u64], exponent: usize, out: &mut [u64]) {
    let size = polynomial.len();
    let negated = (exponent / size) % 2 == 1;
    let (stays, wraps) = polynomial.split_at(size - exponent % size);
    let (out_low, out_high) = out.split_at_mut(exponent % size);
    let sign = |x: u64, negative: bool| if negative { x.wrapping_neg() } else { x };
    for (out, &x) in out_low.iter_mut().zip(wraps) {
        *out = sign(x, !negated);
    }
    for (out, &x) in out_high.iter_mut().zip(stays) {
        *out = sign(x, negated);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore]
    fn scratch_timing() {
        use std::time::Instant;
        use std::hint::black_box;
        let p = &cipherformer_circuit::parameters::PRECISE_1024;
        let mut time = |what: &str, mut f: Box<dyn FnMut()>| {
            let mut best = f64::MAX;
            for _ in 0..20 {
                let s = Instant::now();
                for _ in 0..200 { f(); }
                best = best.min(s.elapsed().as_secs_f64() / 200.0);
            }
            println!("{what}: {:.3} us", best * 1e6);
        };
        for size in [1024usize, 2048] {
            let mut t = Transform::new(PolynomialSize(size));
            let x: Vec<u64> = (0..size as u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
            let mut out = vec![0.0; size];
            let gadget = Gadget::new(p.coarse_bootstrap);
            time(&format!("forward {size}"), Box::new(move || { t.forward(black_box(&x), &mut out, 1, gadget.digit(1)); black_box(&out); }));
            let mut t = Transform::new(PolynomialSize(size));
            let f = vec![1.0; size];
            let mut y = vec![0u64; size];
            time(&format!("backward {size}"), Box::new(move || { t.backward(black_box(&f), 1.0, &mut y, #[inline(always)] |old, new| old.wrapping_add(new)); black_box(&y); }));
        }
        let mut w = Work::new(p, Precision::Coarse);
        let acc = vec![vec![12345u64; 3072]; TOGETHER];
        time("centre", Box::new({ let acc = acc.clone(); let mut w = Work::new(p, Precision::Coarse); move || { w.centre_rounding(black_box(&acc[0])); } }));
        time("decompose", Box::new({ let acc = acc.clone(); let mut w = Work::new(p, Precision::Coarse); move || { w.decompose(0, black_box(&acc[0])); } }));
        let powers = Powers::new(PolynomialSize(1024));
        let mut power = Power::new(1024);
        time("power", Box::new(move || powers.set(black_box(&mut power), black_box(77))));
        let secret = crate::SecretKey::generate(p);
        let mut seeder = tfhe::core_crypto::prelude::new_seeder();
        let ksk = crate::key_switch::KeySwitchKey::expand(crate::key_switch::generate(&secret, seeder.as_mut()), p);
        let value: Vec<u64> = (0..2049u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
        let mut kw = ksk.workspace();
        time("key switch", Box::new(move || { black_box(ksk.apply(black_box(&value), &mut kw)); }));
        let key = vec![0.5; 3 * 9 * 1024];
        time("product", Box::new(move || { add_block(black_box(&[&key]), w.lanes.each_mut()); }));
    }

    #[test]
    fn rotation_is_negacyclic() {
        let minus = |x: u64| x.wrapping_neg();
        for (exponent, expected) in [
            (0, [1, 2, 3]),
            (1, [minus(3), 1, 2]),
            (3, [minus(1), minus(2), minus(3)]),
            (4, [3, minus(1), minus(2)]),
            (6, [1, 2, 3]),
        ] {
            let mut out = [9, 9, 9];
            rotate(&[1, 2, 3], exponent, &mut out);
            assert_eq!(out, expected, "X^{exponent}");
        }
    }
}
