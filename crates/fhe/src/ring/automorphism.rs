//! Automorphisms X -> X^k of RLWE ciphertexts, followed by a key switch back to the ring key.

use cipherformer_circuit::ParameterSet;
use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

use crate::Packed;
use crate::convert;
use crate::fft::{Fourier, Transform, add_product};
use crate::keys::SecretKey;

/// Key-switching keys from S(X^k) to S(X), for k = 2^i + 1, i = 1..=log2 N: what packing needs.
pub(crate) struct AutomorphismKeys {
    /// `keys[i - 1][level]`: mask and body in the Fourier domain.
    keys: Vec<Vec<[Fourier; 2]>>,
    decomposer: SignedDecomposer<u64>,
}

/// Encrypts `S(X^k) * 2^(64 - base_log * level)` for every k and level, seeded.
pub(crate) fn generate(secret: &SecretKey) -> SeededGlweCiphertextListOwned<u64> {
    let parameters = secret.parameters();
    let gadget = parameters.ring_key_switch;
    let key = secret.ring();
    let depth = parameters.ring_dimension.ilog2();
    // Full of key bits: at full size from the start, so that no copy is left behind, and wiped.
    let size = depth as usize * gadget.levels as usize * parameters.ring_dimension;
    let mut messages = Zeroizing::new(Vec::with_capacity(size));
    for i in 1..=depth {
        let rotated = Zeroizing::new(substitute(key.as_ref(), (1 << i) + 1));
        for level in 1..=gadget.levels {
            let factor = 1u64 << (64 - gadget.base_log * level);
            messages.extend(rotated.iter().map(|s| s.wrapping_mul(factor)));
        }
    }
    secret.encrypt_seeded(&messages)
}

/// Whether a list from outside has the shape that [`generate`] gives it.
pub(crate) fn fits(list: &SeededGlweCiphertextListOwned<u64>, parameters: &ParameterSet) -> bool {
    let count =
        parameters.ring_dimension.ilog2() as usize * parameters.ring_key_switch.levels as usize;
    list.glwe_size() == convert::RING_GLWE_SIZE
        && list.polynomial_size() == convert::ring_size(parameters)
        && list.ciphertext_modulus() == convert::modulus()
        && list.as_ref().len() == count * parameters.ring_dimension
}

impl AutomorphismKeys {
    pub(crate) fn expand(
        seeded: SeededGlweCiphertextListOwned<u64>,
        parameters: &ParameterSet,
    ) -> Self {
        let levels = parameters.ring_key_switch.levels as usize;
        let list = seeded.decompress_into_glwe_ciphertext_list();
        let mut transform = Transform::new(convert::ring_size(parameters));
        let fourier: Vec<[Fourier; 2]> = list
            .iter()
            .map(|key| {
                let (mask, body) = key.as_ref().split_at(parameters.ring_dimension);
                [transform.torus(mask), transform.torus(body)]
            })
            .collect();
        let mut fourier = fourier.into_iter();
        let count = parameters.ring_dimension.ilog2() as usize;
        Self {
            keys: (0..count)
                .map(|_| fourier.by_ref().take(levels).collect())
                .collect(),
            decomposer: SignedDecomposer::new(
                convert::base(parameters.ring_key_switch),
                convert::levels(parameters.ring_key_switch),
            ),
        }
    }

    /// The ciphertext of m(X^k), k = 2^i + 1, from that of m(X).
    ///
    /// Cost: one forward FFT a level, two backward ones.
    pub(crate) fn apply(&self, i: u32, input: &Packed, transform: &mut Transform) -> Packed {
        let exponent = (1usize << i) + 1;
        let (mask, body) = input.as_ref().split_at(input.polynomial_size().0);
        let mask = substitute(mask, exponent);
        let mut sums = [transform.zero(), transform.zero()];
        let mut terms: Vec<_> = mask.iter().map(|&x| self.decomposer.decompose(x)).collect();
        // The decomposer starts at the smallest digit, the keys at the largest.
        for key in self.keys[i as usize - 1].iter().rev() {
            let digits: Vec<u64> = terms
                .iter_mut()
                .map(|term| term.next().map_or(0, |digit| digit.value()))
                .collect();
            let digits = transform.integers(&digits);
            for (sum, key) in sums.iter_mut().zip(key) {
                add_product(sum, &digits, key);
            }
        }
        let negated = |poly: Vec<u64>| poly.into_iter().map(u64::wrapping_neg);
        let mut output: Vec<u64> = negated(transform.back(&sums[0])).collect();
        let body = substitute(body, exponent);
        let switched = negated(transform.back(&sums[1]));
        output.extend(switched.zip(body).map(|(a, b)| a.wrapping_add(b)));
        Packed::from_container(output, input.polynomial_size(), convert::modulus())
    }
}

/// p(X^k) modulo X^N + 1, k odd.
fn substitute(polynomial: &[u64], exponent: usize) -> Vec<u64> {
    let size = polynomial.len();
    let mut out = vec![0; size];
    for (i, &x) in polynomial.iter().enumerate() {
        let position = i * exponent % (2 * size);
        if position < size {
            out[position] = x;
        } else {
            out[position - size] = x.wrapping_neg();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::parameters::{PRECISE_1024, STANDARD_2048};

    use super::*;
    use crate::convert::from_torus;

    #[test]
    fn key_switch_noise_matches_its_formula() {
        for parameters in [&STANDARD_2048, &PRECISE_1024] {
            let measured = measure(parameters).sqrt();
            let ratio = measured / parameters.ring_key_switch_variance(64).sqrt();
            let name = parameters.name;
            println!(
                "{name}: measured 2^{:.2}, ratio {ratio:.3}",
                measured.log2()
            );
            assert!((0.95..1.05).contains(&ratio), "{name}: {ratio}");
        }
    }

    /// Variance of the noise of single key switches. Over many ciphertexts: the key's mean of 1/2
    /// amplifies the lowest frequency of a mask's errors, a single sample of which carries a fifth
    /// of the variance.
    fn measure(parameters: &'static ParameterSet) -> f64 {
        let secret = SecretKey::generate(parameters);
        let keys = AutomorphismKeys::expand(generate(&secret), parameters);
        let mut transform = Transform::new(convert::ring_size(parameters));
        let mut squares = 0.0;
        for i in (1..=8).cycle().take(64) {
            let plain = vec![1 << 60; parameters.ring_dimension];
            let list = secret
                .encrypt_seeded(&plain)
                .decompress_into_glwe_ciphertext_list();
            let input = Packed::from_container(
                list.into_container(),
                convert::ring_size(parameters),
                convert::modulus(),
            );
            let expected = substitute(&secret.decrypt_packed(&input), (1 << i) + 1);
            let got = secret.decrypt_packed(&keys.apply(i, &input, &mut transform));
            let errors = got.iter().zip(&expected);
            let errors = errors.map(|(got, expected)| from_torus(got.wrapping_sub(*expected)));
            squares += errors.map(|e| e * e).sum::<f64>();
        }
        squares / (64 * parameters.ring_dimension) as f64
    }

    #[test]
    fn substitution_is_negacyclic() {
        // p = 1 + 2X + 3X^2 + 4X^3 modulo X^4 + 1; p(X^3) = 1 + 2X^3 + 3X^6 + 4X^9
        //   = 1 + 2X^3 - 3X^2 + 4X
        let minus_three = 3u64.wrapping_neg();
        assert_eq!(substitute(&[1, 2, 3, 4], 3), [1, 4, minus_three, 2]);
    }
}
