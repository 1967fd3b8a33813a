//! Automorphisms X -> X^k of RLWE ciphertexts, followed by a key switch back to the ring key.

use cipherformer_circuit::ParameterSet;
use zeroize::Zeroizing;

use crate::keys::SecretKey;
use crate::keys::bodies::SeededBodies;
use crate::ring::key_switch::{self, RingKeySwitchKey, Workspace};

/// Key-switching keys from S(X^k) to S(X), for k = 2^i + 1, i = 1..=log2 N: what packing needs.
pub(crate) struct AutomorphismKeys {
    /// `keys[i - 1]`
    keys: Vec<RingKeySwitchKey>,
}

/// How many automorphisms have keys.
pub(crate) fn count(parameters: &ParameterSet) -> usize {
    parameters.ring_dimension.ilog2() as usize
}

/// Encrypts the gadget multiples of `S(X^k)` for every k, seeded.
pub(crate) fn generate(secret: &SecretKey) -> SeededBodies {
    let key = secret.ring();
    let rotated: Vec<_> = (1..=count(secret.parameters()))
        .map(|i| {
            let mut rotated = Zeroizing::new(vec![0; key.as_ref().len()]);
            substitute(key.as_ref(), (1 << i) + 1, &mut rotated);
            rotated
        })
        .collect();
    key_switch::generate_rounded(secret, &rotated)
}

impl AutomorphismKeys {
    pub(crate) fn expand(seeded: SeededBodies, parameters: &ParameterSet) -> Self {
        Self {
            keys: key_switch::expand_rounded(seeded, count(parameters), parameters),
        }
    }

    /// Adds `m(X^k)`, k = 2^i + 1, to a ciphertext, whose mask and body these are. `rotated` is the
    /// ciphertext of m(X) after [`substitute`] of k in mask and body.
    ///
    /// Cost: one forward FFT a level, two backward ones.
    pub(crate) fn add_switched(
        &self,
        i: u32,
        rotated: &[u64],
        sum: &mut [u64],
        work: &mut Workspace,
    ) {
        let (mask, body) = rotated.split_at(rotated.len() / 2);
        self.keys[i as usize - 1].multiply(mask, work);
        let (sum_mask, sum_body) = sum.split_at_mut(mask.len());
        for (sum, x) in sum_body.iter_mut().zip(body) {
            *sum = sum.wrapping_add(*x);
        }
        // The phase holds -mask * S(X^k), which the key switch replaces.
        for (product, sum) in work.product.iter_mut().zip([sum_mask, sum_body]) {
            work.transform
                .backward(product, 1.0, sum, u64::wrapping_sub);
        }
    }
}

/// p(X^k) modulo X^N + 1, k odd.
pub(crate) fn substitute(polynomial: &[u64], exponent: usize, out: &mut [u64]) {
    let size = polynomial.len();
    let mut position = 0;
    for &x in polynomial {
        let negative = (position / size) as u64; // 0 or 1
        out[position % size] = (x ^ negative.wrapping_neg()).wrapping_add(negative);
        position = (position + exponent) % (2 * size);
    }
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::parameters::{PRECISE_1024, STANDARD_2048};

    use super::*;
    use crate::Packed;
    use crate::convert::{self, from_torus};

    /// A single key's own lowest frequency decides a few percent.
    const KEYS: usize = 16;

    /// Key switches to measure under each.
    const SAMPLES: usize = 64;

    #[test]
    fn key_switch_noise_matches_its_formula() {
        for parameters in [&STANDARD_2048, &PRECISE_1024] {
            let variances = (0..KEYS).map(|_| measure(parameters));
            let measured = (variances.sum::<f64>() / KEYS as f64).sqrt();
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
        let size = parameters.ring_dimension;
        let mut work = Workspace::new(convert::ring_size(parameters));
        let (mut rotated, mut expected) = (vec![0; 2 * size], vec![0; size]);
        let mut squares = 0.0;
        for i in (1..=8).cycle().take(SAMPLES) {
            let plain = vec![1 << 60; parameters.ring_dimension];
            let list = secret
                .encrypt_seeded(&plain)
                .decompress_into_glwe_ciphertext_list();
            let packed = |container| {
                Packed::from_container(
                    container,
                    convert::ring_size(parameters),
                    convert::modulus(),
                )
            };
            let input = packed(list.into_container());
            let polynomials = input.as_ref().chunks(size).zip(rotated.chunks_mut(size));
            polynomials.for_each(|(x, out)| substitute(x, (1 << i) + 1, out));
            substitute(&secret.decrypt_packed(&input), (1 << i) + 1, &mut expected);
            let mut output = vec![0; 2 * size];
            keys.add_switched(i, &rotated, &mut output, &mut work);
            let got = secret.decrypt_packed(&packed(output));
            let errors = got.iter().zip(&expected);
            let errors = errors.map(|(got, expected)| from_torus(got.wrapping_sub(*expected)));
            squares += errors.map(|e| e * e).sum::<f64>();
        }
        squares / (SAMPLES * parameters.ring_dimension) as f64
    }

    #[test]
    fn substitution_is_negacyclic() {
        // p = 1 + 2X + 3X^2 + 4X^3 modulo X^4 + 1; p(X^3) = 1 + 2X^3 + 3X^6 + 4X^9
        //   = 1 + 2X^3 - 3X^2 + 4X
        let minus_three = 3u64.wrapping_neg();
        let mut out = [0; 4];
        substitute(&[1, 2, 3, 4], 3, &mut out);
        assert_eq!(out, [1, 4, minus_three, 2]);
    }
}
