//! Circuit privacy: a ring ciphertext of which nothing can be told but its values, and these under noise of one's choosing.
//!
//! What a circuit's evaluation leaves in a ciphertext, in its mask and in its noise, depends on weights, and the owner of
//! the secret key can look at both. Adding a fresh encryption of 0 under the client's public key makes the mask a
//! sample of ring LWE whose secret, u, is the server's: pseudorandom for the client too. Adding noise to the values makes
//! their noise one whose variance says nothing of weights (`circuit/src/lower/ending.rs`).

use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::parameters::PUBLIC_KEY_BODY_BITS;
use tfhe::core_crypto::commons::math::random::{DefaultRandomGenerator, RandomGenerator};
use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

use crate::Packed;
use crate::convert;
use crate::fft::{Fourier, Transform, add_product};
use crate::keys::bodies::SeededBodies;
use crate::keys::{EvaluationKey, SecretKey};

/// Adds a fresh encryption of 0 under the client's public key: the key times u, of uniform bits, and noise of the ring's
/// own on the mask. Its noise on the body is Gaussian, of these variances, at the coefficients that they name; others
/// are not to be sent.
///
/// Noise: `rerandomization_variance`, and the variances. Cost: three FFTs, 0.1 ms.
pub fn rerandomize(
    packed: &mut Packed,
    flood: impl Iterator<Item = (usize, f64)>,
    key: &EvaluationKey,
) {
    key.public.add_zero(packed, flood, key.parameters);
}

/// An encryption of 0 under the ring key, from which anybody makes others: mask and body in the Fourier domain.
pub(crate) struct PublicKey([Fourier; 2]);

/// Encrypts 0, seeded.
pub(crate) fn generate(secret: &SecretKey) -> SeededBodies {
    let list = secret.encrypt_seeded(&vec![0; secret.parameters().ring_dimension]);
    SeededBodies::new(list.compression_seed(), list.as_ref(), PUBLIC_KEY_BODY_BITS)
}

/// Whether a key from outside has the seed and the length that [`generate`] gives it.
pub(crate) fn fits(key: &SeededBodies, parameters: &ParameterSet) -> bool {
    key.fits(parameters.ring_dimension, PUBLIC_KEY_BODY_BITS)
}

impl PublicKey {
    pub(crate) fn expand(key: SeededBodies, parameters: &ParameterSet) -> Self {
        let (seed, bodies) = key.expand(parameters.ring_dimension, PUBLIC_KEY_BODY_BITS);
        let size = convert::ring_size(parameters);
        let list = SeededGlweCiphertextList::from_container(
            bodies,
            convert::RING_GLWE_SIZE,
            size,
            seed,
            convert::modulus(),
        );
        let list = list.decompress_into_glwe_ciphertext_list();
        let (mask, body) = list.as_ref().split_at(parameters.ring_dimension);
        let mut transform = Transform::new(size);
        Self([transform.torus(mask), transform.torus(body)])
    }

    /// Adds a fresh encryption of 0, its noise on the body as asked.
    fn add_zero(
        &self,
        packed: &mut Packed,
        flood: impl Iterator<Item = (usize, f64)>,
        parameters: &ParameterSet,
    ) {
        let seed = new_seeder().as_mut().seed();
        let mut random = RandomGenerator::<DefaultRandomGenerator>::new(seed);
        let mut u = Zeroizing::new(vec![0u64; parameters.ring_dimension]);
        random.fill_slice_with_random_uniform_binary(&mut u);
        let mut transform = Transform::new(packed.polynomial_size());
        let u = Zeroizing::new(transform.integers(&u));
        let (mask, body) = packed.as_mut().split_at_mut(parameters.ring_dimension);
        let noise = convert::noise(parameters.ring_noise);
        random.unsigned_integer_slice_wrapping_add_random_from_distribution_assign(mask, noise);
        for (sum, key) in [mask, &mut *body].into_iter().zip(&self.0) {
            let mut product = transform.zero();
            add_product(&mut product, &u, key);
            transform.backward(&product, 1.0, sum, u64::wrapping_add);
        }
        for (coefficient, variance) in flood {
            let (torus, _): (f64, f64) = random.random_gaussian(0.0, variance.sqrt());
            body[coefficient] = body[coefficient].wrapping_add(convert::to_torus(torus));
        }
    }
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::parameters::{PRECISE_1024, STANDARD_2048};

    use super::*;
    use crate::convert::from_torus;

    /// One frequency has much of a sample's noise: it takes many.
    const SAMPLES: usize = 192;

    fn key(secret: &SecretKey) -> PublicKey {
        PublicKey::expand(generate(secret), secret.parameters())
    }

    #[test]
    fn noise_without_flooding_matches_its_formula() {
        for parameters in [&STANDARD_2048, &PRECISE_1024] {
            let secret = SecretKey::generate(parameters);
            let mut squares = 0.0;
            for _ in 0..SAMPLES {
                let mut packed = secret.encrypt_packed(&[0]);
                // One key's own errors stay: several keys average over them.
                key(&secret).add_zero(&mut packed, std::iter::empty(), parameters);
                let noise = secret.decrypt_packed(&packed).into_iter().map(from_torus);
                squares += noise.map(|e| e * e).sum::<f64>();
            }
            let measured = squares / (SAMPLES * parameters.ring_dimension) as f64;
            let expected = parameters.rerandomization_variance() + parameters.fresh_variance();
            let ratio = (measured / expected).sqrt();
            println!("{}: ratio {ratio:.3}", parameters.name);
            assert!((0.9..1.1).contains(&ratio), "{}: {ratio}", parameters.name);
        }
    }

    #[test]
    fn values_stay_masks_change_and_noise_is_as_asked() {
        let parameters = &STANDARD_2048;
        let secret = SecretKey::generate(parameters);
        let key = key(&secret);
        let packed = secret.encrypt_packed(&[1 << 62]);
        let (variance, slots) = (1e-5, parameters.ring_dimension / 2);
        let (mut asked, mut unasked) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            let mut again = packed.clone();
            let flood = (0..slots).map(|slot| (slot, variance));
            key.add_zero(&mut again, flood, parameters);
            let (mask, masks) = (packed.get_mask(), again.get_mask());
            let same = mask.as_ref().iter().zip(masks.as_ref());
            assert_eq!(same.filter(|(a, b)| a == b).count(), 0);
            let mut values = secret.decrypt_packed(&again);
            values[0] = values[0].wrapping_sub(1 << 62);
            asked.extend_from_slice(&values[..slots]);
            unasked.extend_from_slice(&values[slots..]);
        }
        let squares = |values: &[u64]| -> f64 {
            let squares = values.iter().map(|&x| from_torus(x).powi(2));
            squares.sum::<f64>() / values.len() as f64
        };
        let ratio = squares(&asked) / variance;
        assert!((0.8..1.2).contains(&ratio), "{ratio}");
        assert!(squares(&unasked) < variance / 1e3, "nothing was asked here");
    }
}
