//! Arithmetic on RLWE ciphertexts under the ring key.

pub(crate) mod automorphism;
mod external;
pub(crate) mod key_switch;
mod matrix;
mod packing;
pub(crate) mod product;
pub(crate) mod rerandomize;

use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

pub(crate) use automorphism::AutomorphismKeys;
pub use external::{Ggsw, SeededGgsw};
pub use matrix::PreparedMatrix;
pub use packing::{pack, pack_at};
pub use product::multiply;
pub(crate) use rerandomize::PublicKey;
pub use rerandomize::rerandomize;

use crate::error::FheError;
use crate::{Packed, Scalars};

/// Coefficients of a ring ciphertext, one scalar each; exact.
///
/// # Errors
/// A coefficient at or above N.
pub fn extract(packed: &Packed, coefficients: &[usize]) -> Result<Scalars, FheError> {
    let size = packed.polynomial_size().0;
    if let Some(outside) = coefficients.iter().find(|&&i| i >= size) {
        return Err(FheError::Shape {
            operation: "extract",
            expected: format!("coefficients below {size}"),
            got: format!("{outside}"),
        });
    }
    let lwe_size = LweDimension(size).to_lwe_size();
    let count = LweCiphertextCount(coefficients.len());
    let mut scalars = Scalars::new(0, lwe_size, count, packed.ciphertext_modulus());
    for (scalar, &i) in scalars.as_mut().chunks_mut(size + 1).zip(coefficients) {
        let mut scalar = LweCiphertext::from_container(scalar, packed.ciphertext_modulus());
        extract_lwe_sample_from_glwe_ciphertext(packed, &mut scalar, MonomialDegree(i));
    }
    Ok(scalars)
}

/// Times X^exponent: every coefficient moves up by `exponent`, and past N comes back at 0 negated; exact.
pub fn shift(packed: &Packed, exponent: usize) -> Packed {
    let mut output = packed.clone();
    times_monomial(output.as_mut(), exponent, packed.polynomial_size().0);
    output
}

/// The sum, coefficient by coefficient. The noises add up.
///
/// # Panics
/// On ciphertexts of different dimensions.
pub fn add(a: &Packed, b: &Packed) -> Packed {
    let mut sum = a.clone();
    glwe_ciphertext_add_assign(&mut sum, b);
    sum
}

/// Polynomials of `size` coefficients times X^exponent, modulo X^size + 1.
pub(crate) fn times_monomial(polynomials: &mut [u64], exponent: usize, size: usize) {
    let (turns, places) = (exponent / size, exponent % size);
    for polynomial in polynomials.chunks_mut(size) {
        polynomial.rotate_right(places);
        let (wrapped, others) = polynomial.split_at_mut(places);
        let negated = if turns % 2 == 0 { wrapped } else { others };
        negated.iter_mut().for_each(|x| *x = x.wrapping_neg());
    }
}

/// The product modulo X^N + 1 and 2^64, for secrets: slow, and wiped.
fn negacyclic(a: &[u64], b: &[u64]) -> Zeroizing<Vec<u64>> {
    let size = a.len();
    let mut product = Zeroizing::new(vec![0u64; size]);
    for (i, x) in a.iter().enumerate().filter(|(_, x)| **x != 0) {
        let (staying, wrapping) = b.split_at(size - i);
        for (out, y) in product[i..].iter_mut().zip(staying) {
            *out = out.wrapping_add(x.wrapping_mul(*y));
        }
        for (out, y) in product[..i].iter_mut().zip(wrapping) {
            *out = out.wrapping_sub(x.wrapping_mul(*y));
        }
    }
    product
}

/// Times `J = 1 + X + ... + X^(N-1)`, modulo X^N + 1: at i, what stands up to i less what stands above.
fn times_ones(polynomial: &[u64]) -> Vec<u64> {
    let mut sums = polynomial.to_vec();
    let total = running_sums(&mut sums);
    let double = sums.iter_mut();
    double.for_each(|sum| *sum = sum.wrapping_mul(2).wrapping_sub(total));
    sums
}

/// Replaces every element by the sum of all up to it; returns the sum of all. Four sums run at a time, each through a
/// quarter of the elements, so that they need not wait for each other.
#[inline(always)]
pub(crate) fn running_sums(elements: &mut [u64]) -> u64 {
    let quarter = elements.len() / 4;
    let (left, right) = elements.split_at_mut(2 * quarter);
    let (first, second) = left.split_at_mut(quarter);
    let (third, fourth) = right.split_at_mut(quarter);
    let total = |part: &[u64]| part.iter().fold(0u64, |sum, x| sum.wrapping_add(*x));
    let mut sums = [0; 4];
    sums[1] = total(first);
    sums[2] = sums[1].wrapping_add(total(second));
    sums[3] = sums[2].wrapping_add(total(third));
    let pairs = first.iter_mut().zip(second);
    for ((a, b), (c, d)) in pairs.zip(third.iter_mut().zip(fourth)) {
        for (sum, x) in sums.iter_mut().zip([a, b, c, d]) {
            *sum = sum.wrapping_add(*x);
            *x = *sum;
        }
    }
    sums[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_x_are_negacyclic() {
        let minus = |x: u64| x.wrapping_neg();
        for (exponent, expected) in [
            (0, [1, 2, 3]),
            (1, [minus(3), 1, 2]),
            (3, [minus(1), minus(2), minus(3)]),
            (4, [3, minus(1), minus(2)]),
            (6, [1, 2, 3]),
        ] {
            let mut polynomial = [1, 2, 3];
            times_monomial(&mut polynomial, exponent, 3);
            assert_eq!(polynomial, expected, "X^{exponent}");
        }
    }

    #[test]
    fn times_ones_is_a_negacyclic_product() {
        let polynomial = [5, 3u64.wrapping_neg(), 1 << 60, 7, 0, 2, 9, 1];
        assert_eq!(times_ones(&polynomial), *negacyclic(&polynomial, &[1; 8]));
    }
}
