//! Blind rotation: a table, perhaps encrypted, times X to the power of an encrypted exponent.
//!
//! Chillotti et al., "TFHE", J. Cryptology 2020, section 4.3: for every bit of the small key, add the external
//! product of its GGSW with `(X^a - 1) * accumulator`. Accumulators of a batch take turns, so that
//! every GGSW is read from memory once.

use cipherformer_circuit::parameters::Decomposition;
use cipherformer_circuit::{ParameterSet, Precision};
use rayon::prelude::*;
use tfhe::core_crypto::fft_impl::fft64::c64;
use tfhe::core_crypto::prelude::{LweBootstrapKeyOwned, PolynomialSize};

use crate::convert;
use crate::fft::{Transform, add_matrix_product, interleave, stride};
use crate::gadget::Gadget;
use crate::ring::times_ones;

/// GGSW ciphertexts of the small key's bits in the Fourier domain.
pub(crate) struct BootstrapKey {
    /// For every bit, every level from the last to the first: the polynomials of k + 1 ciphertexts, one for each
    /// polynomial that is decomposed, interleaved.
    values: Vec<c64>,
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
        let level = (parameters.bootstrap_glwe_dimension + 1).pow(2) * size.0;
        let mut values = vec![c64::default(); key.as_ref().len() / 2];
        let levels = key.as_ref().par_chunks(level);
        levels.zip(values.par_chunks_mut(level / 2)).for_each_init(
            || Transform::new(size),
            |transform, (level, out)| {
                let polynomials = level.chunks(size.0).map(|p| transform.torus(p));
                let polynomials: Vec<c64> = polynomials.flatten().collect();
                interleave(&polynomials, size.0 / 2, out);
            },
        );
        Self { values, parameters }
    }

    /// Multiplies every accumulator by X^-phase, the phase of its exponent.
    ///
    /// Cost: a bit of the small key takes `levels + 1` FFTs for every polynomial of an accumulator.
    pub(crate) fn rotate(
        &self,
        accumulators: &mut [Accumulator],
        exponents: &[Exponent],
        precision: Precision,
    ) {
        let size = convert::bootstrap_size(self.parameters);
        let mut work = Work::new(size, self.parameters);
        for (accumulator, exponent) in accumulators.iter_mut().zip(exponents) {
            let before = work.difference.chunks_mut(size.0);
            for (before, polynomial) in before.zip(accumulator.chunks_mut(size.0)) {
                before.copy_from_slice(polynomial);
                rotate(before, 2 * size.0 - exponent.body, polynomial, |new, _| new);
            }
        }
        let ggsw = self.values.len() / self.parameters.lwe_dimension;
        for (bit, ggsw) in self.values.chunks(ggsw).enumerate() {
            for (accumulator, exponent) in accumulators.iter_mut().zip(exponents) {
                if exponent.mask[bit] != 0 {
                    let levels = self.levels(ggsw, precision);
                    work.add_product(levels, accumulator, exponent.mask[bit], precision);
                }
            }
        }
    }

    /// The part of a GGSW that this precision uses.
    fn levels<'a>(&self, ggsw: &'a [c64], precision: Precision) -> &'a [c64] {
        let full = self.parameters.bootstrap;
        let Decomposition { base_log, levels } = self.parameters.lut_decomposition(precision);
        let level = ggsw.len() / full.levels as usize;
        // The coarse decomposition's only level scales as this one of the full decomposition does.
        let first = (full.levels - base_log * levels / full.base_log) as usize;
        &ggsw[first * level..(first + levels as usize) * level]
    }
}

/// What one thread needs: all of k + 1 polynomials.
struct Work {
    transform: Transform,
    parameters: &'static ParameterSet,
    difference: Vec<u64>,
    /// At each coefficient, what rounds off of all masks together.
    errors: Vec<u64>,
    digits: Vec<c64>,
    sums: Vec<c64>,
}

impl Work {
    fn new(size: PolynomialSize, parameters: &'static ParameterSet) -> Self {
        let polynomials = parameters.bootstrap_glwe_dimension + 1;
        let fourier = vec![c64::default(); stride(size.0 / 2) * polynomials];
        Self {
            transform: Transform::new(size),
            parameters,
            difference: vec![0; size.0 * polynomials],
            errors: vec![0; size.0],
            digits: fourier.clone(),
            sums: fourier,
        }
    }

    /// Adds GGSW times `(X^exponent - 1) * accumulator`.
    fn add_product(
        &mut self,
        ggsw: &[c64],
        accumulator: &mut [u64],
        exponent: usize,
        precision: Precision,
    ) {
        let decomposition = self.parameters.lut_decomposition(precision);
        let gadget = Gadget::new(decomposition);
        let size = self.parameters.bootstrap_polynomial_size;
        let polynomials = accumulator.chunks(size);
        for (polynomial, difference) in polynomials.zip(self.difference.chunks_mut(size)) {
            rotate(polynomial, exponent, difference, |new, old| {
                new.wrapping_sub(old)
            });
        }
        self.centre_rounding(gadget);
        self.sums.fill(c64::default());
        let levels = ggsw.chunks(ggsw.len() / decomposition.levels as usize);
        for (number, level) in (1..=decomposition.levels).rev().zip(levels) {
            let differences = self.difference.chunks(size);
            let digits = self.digits.chunks_mut(stride(size / 2));
            for (difference, digits) in differences.zip(digits) {
                let digits = &mut digits[..size / 2];
                self.transform
                    .forward(difference, digits, gadget.digit(number));
            }
            self.add_level(level);
        }
        let sums = self.sums.chunks_mut(stride(size / 2));
        for (sum, polynomial) in sums.zip(accumulator.chunks_mut(size)) {
            self.transform.backward(
                &mut sum[..size / 2],
                1.0,
                polynomial,
                #[inline(always)]
                |old, new| old.wrapping_add(new),
            );
        }
    }

    /// Adds to the body of the difference what rounding its masks takes from the phase on average: as half of
    /// the key's bits are 1, half of the errors' product with a key of ones. What remains of the errors meets key
    /// bits of plus or minus 1/2, and has half the variance.
    fn centre_rounding(&mut self, gadget: Gadget) {
        let size = self.errors.len();
        let masks = self.difference.len() - size;
        let (masks, body) = self.difference.split_at_mut(masks);
        self.errors.fill(0);
        for mask in masks.chunks(size) {
            for (error, &x) in self.errors.iter_mut().zip(mask) {
                *error = error.wrapping_add(gadget.error(x));
            }
        }
        for (body, product) in body.iter_mut().zip(times_ones(&self.errors)) {
            *body = body.wrapping_add((product as i64 / 2) as u64);
        }
    }

    /// Adds digits times one level of a GGSW.
    fn add_level(&mut self, level: &[c64]) {
        let (sums, digits) = (&mut self.sums, &self.digits);
        match self.parameters.bootstrap_glwe_dimension {
            1 => add_matrix_product::<2>(sums, digits, level),
            2 => add_matrix_product::<3>(sums, digits, level),
            k => unreachable!("no parameter set has k = {k}"),
        }
    }
}

/// `out = combine(X^exponent * polynomial, polynomial)`, exponent up to 2N.
#[inline(always)]
fn rotate(polynomial: &[u64], exponent: usize, out: &mut [u64], combine: impl Fn(u64, u64) -> u64) {
    let size = polynomial.len();
    let negated = (exponent / size) % 2 == 1;
    let places = exponent % size;
    let (stays, wraps) = polynomial.split_at(size - places);
    let (low, high) = polynomial.split_at(places);
    let (out_low, out_high) = out.split_at_mut(places);
    let sign = |x: u64, negative: bool| if negative { x.wrapping_neg() } else { x };
    for ((out, &new), &old) in out_low.iter_mut().zip(wraps).zip(low) {
        *out = combine(sign(new, !negated), old);
    }
    for ((out, &new), &old) in out_high.iter_mut().zip(stays).zip(high) {
        *out = combine(sign(new, negated), old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            rotate(&[1, 2, 3], exponent, &mut out, |new, _| new);
            assert_eq!(out, expected, "X^{exponent}");
            rotate(&[1, 2, 3], exponent, &mut out, |new, old| {
                new.wrapping_sub(old)
            });
            let less = [1, 2, 3].into_iter().zip(expected);
            let less: Vec<u64> = less
                .map(|(old, new): (u64, u64)| new.wrapping_sub(old))
                .collect();
            assert_eq!(out.as_slice(), less, "X^{exponent} - 1");
        }
    }
}
