//! Arithmetic on RLWE ciphertexts under the ring key.

pub(crate) mod automorphism;
pub(crate) mod key_switch;
mod packing;
pub(crate) mod product;

use tfhe::core_crypto::prelude::*;

pub(crate) use automorphism::AutomorphismKeys;
pub use packing::{pack, pack_at};
pub use product::multiply;

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
pub fn add(a: &Packed, b: &Packed) -> Packed {
    let mut sum = a.clone();
    glwe_ciphertext_add_assign(&mut sum, b);
    sum
}

/// Polynomials of `size` coefficients times X^exponent, modulo X^size + 1.
fn times_monomial(polynomials: &mut [u64], exponent: usize, size: usize) {
    let (turns, places) = (exponent / size, exponent % size);
    for polynomial in polynomials.chunks_mut(size) {
        polynomial.rotate_right(places);
        let (wrapped, others) = polynomial.split_at_mut(places);
        let negated = if turns % 2 == 0 { wrapped } else { others };
        negated.iter_mut().for_each(|x| *x = x.wrapping_neg());
    }
}
