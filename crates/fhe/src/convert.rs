//! Between the circuit's plain numbers and the library's types.

use cipherformer_circuit::parameters::{self, ParameterSet};
use tfhe::core_crypto::prelude::*;

use crate::error::FheError;

/// All ciphertexts under the ring key live modulo 2^64.
pub(crate) fn modulus() -> CiphertextModulus<u64> {
    CiphertextModulus::new_native()
}

pub(crate) fn noise(noise: parameters::TUniform) -> TUniform<u64> {
    TUniform::new(noise.bound_log2)
}

pub(crate) fn base(gadget: parameters::Decomposition) -> DecompositionBaseLog {
    DecompositionBaseLog(gadget.base_log as usize)
}

pub(crate) fn levels(gadget: parameters::Decomposition) -> DecompositionLevelCount {
    DecompositionLevelCount(gadget.levels as usize)
}

/// Mask and body of an RLWE ciphertext: always one mask polynomial, whatever the bootstrap's ring.
pub(crate) const RING_GLWE_SIZE: GlweSize = GlweSize(2);

pub(crate) fn ring_size(parameters: &ParameterSet) -> PolynomialSize {
    PolynomialSize(parameters.ring_dimension)
}

pub(crate) fn bootstrap_glwe_size(parameters: &ParameterSet) -> GlweSize {
    GlweDimension(parameters.bootstrap_glwe_dimension).to_glwe_size()
}

pub(crate) fn bootstrap_size(parameters: &ParameterSet) -> PolynomialSize {
    PolynomialSize(parameters.bootstrap_polynomial_size)
}

pub(crate) fn scalar_size(parameters: &ParameterSet) -> LweSize {
    LweDimension(parameters.ring_dimension).to_lwe_size()
}

/// A real number as a torus element; wraps modulo 1.
pub(crate) fn to_torus(x: f64) -> u64 {
    let fraction = x - (x + 0.5).floor();
    (fraction * 64f64.exp2()) as i64 as u64
}

/// The upper 32 bits of a torus element, rounded.
pub(crate) fn round_to_32_bits(torus: u64) -> u32 {
    rounded_shift(torus, 32) as u32
}

/// x / 2^shift to the nearest integer, halves up; at least one bit is shifted out.
pub(crate) fn rounded_shift(x: u64, shift: u32) -> u64 {
    (x >> shift) + ((x >> (shift - 1)) & 1)
}

/// The representative of a torus element in [-1/2, 1/2).
pub(crate) fn from_torus(torus: u64) -> f64 {
    torus as i64 as f64 * (-64f64).exp2()
}

/// The set with this name, or an error that blames `what`.
pub(crate) fn parameter_set(
    what: &'static str,
    name: &str,
) -> Result<&'static ParameterSet, FheError> {
    parameters::by_name(name).ok_or_else(|| FheError::Malformed {
        what,
        reason: format!("it names the unknown parameter set {:?}", shorten(name)),
    })
}

/// Names from outside are cut before they are shown.
pub(crate) fn shorten(name: &str) -> String {
    name.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torus_round_trip() {
        for x in [0.0, 0.25, -0.25, 0.49, -0.5, 1e-9] {
            assert!((from_torus(to_torus(x)) - x).abs() < 1e-18, "{x}");
        }
        assert_eq!(to_torus(0.75), to_torus(-0.25));
        assert_eq!(to_torus(0.5), 1 << 63);
    }
}
