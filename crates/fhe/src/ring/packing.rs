//! Packing: many LWE values into one RLWE ciphertext.
//!
//! Chen, Dai, Kim, Song, "Efficient homomorphic conversion between (ring) LWE ciphertexts", ACNS
//! 2021, Algorithm 2: a tree of automorphisms merges pairs, then a trace removes what stands between
//! the slots. Each of its log2 N steps doubles the message. Instead of losing log2 N bits, the inputs
//! are first divided by N and read as integers: what wrapped around the torus becomes a multiple of
//! 2^64 / N, which the factor N turns into a multiple of 2^64.

use tfhe::core_crypto::algorithms::polynomial_algorithms::polynomial_wrapping_monic_monomial_mul_assign;
use tfhe::core_crypto::prelude::*;

use crate::convert::{self, rounded_shift};
use crate::error::FheError;
use crate::fft::Transform;
use crate::keys::EvaluationKey;
use crate::{Packed, Scalars};

/// Packs m values; value i lands at coefficient `i * N / m'`, m' the power of two at or above m. The
/// other coefficients are noise around 0.
///
/// Cost: m' - 1 + log2(N / m') automorphisms. Noise: `packing_variance` on top of the inputs'.
///
/// # Errors
/// No value, more than N, or values of another dimension.
pub fn pack(values: &Scalars, key: &EvaluationKey) -> Result<Packed, FheError> {
    let size = convert::ring_size(key.parameters);
    let count = values.lwe_ciphertext_count().0;
    let scalar_size = convert::scalar_size(key.parameters);
    if count == 0 || count > size.0 || values.lwe_size() != scalar_size {
        return Err(FheError::Shape {
            operation: "pack",
            expected: format!("1 to {} values of size {}", size.0, scalar_size.0),
            got: format!("{count} values of size {}", values.lwe_size().0),
        });
    }
    let leaves: Vec<Packed> = values
        .iter()
        .map(|value| embed(value.as_ref(), size))
        .collect();
    let depth = leaves.len().next_power_of_two().ilog2();
    let mut transform = Transform::new(size);
    let mut packed = merge(&leaves, depth, key, &mut transform);
    for i in depth + 1..=size.0.ilog2() {
        let rotated = key.automorphisms.apply(i, &packed, &mut transform);
        glwe_ciphertext_add_assign(&mut packed, &rotated);
    }
    Ok(packed)
}

/// Merges up to 2^depth ciphertexts: those of even index, those of odd index, then both, as
/// `(even + X^s odd) + auto(even - X^s odd)` with `s = N / 2^depth`.
fn merge(leaves: &[Packed], depth: u32, key: &EvaluationKey, transform: &mut Transform) -> Packed {
    if depth == 0 {
        return leaves[0].clone();
    }
    let every_other =
        |first: usize| -> Vec<Packed> { leaves.iter().skip(first).step_by(2).cloned().collect() };
    let mut sum = merge(&every_other(0), depth - 1, key, transform);
    let mut difference = sum.clone();
    let odd = every_other(1);
    if !odd.is_empty() {
        let odd = merge(&odd, depth - 1, key, transform);
        let odd = shift(&odd, odd.polynomial_size().0 >> depth);
        glwe_ciphertext_add_assign(&mut sum, &odd);
        glwe_ciphertext_sub_assign(&mut difference, &odd);
    }
    let rotated = key.automorphisms.apply(depth, &difference, transform);
    glwe_ciphertext_add_assign(&mut sum, &rotated);
    sum
}

/// The RLWE ciphertext with the LWE's value, divided by N, in coefficient 0; the rest is arbitrary.
fn embed(lwe: &[u64], size: PolynomialSize) -> Packed {
    let shift = size.0.ilog2();
    let divide = |x: u64| rounded_shift(x, shift);
    let mut glwe = Packed::new(0, convert::RING_GLWE_SIZE, size, convert::modulus());
    let (mask, body) = glwe.as_mut().split_at_mut(size.0);
    mask[0] = divide(lwe[0]);
    for i in 1..size.0 {
        mask[size.0 - i] = divide(lwe[i]).wrapping_neg();
    }
    body[0] = divide(lwe[size.0]);
    glwe
}

/// Times X^exponent.
fn shift(input: &Packed, exponent: usize) -> Packed {
    let mut output = input.clone();
    for mut polynomial in output.as_mut_polynomial_list().iter_mut() {
        polynomial_wrapping_monic_monomial_mul_assign(&mut polynomial, MonomialDegree(exponent));
    }
    output
}
