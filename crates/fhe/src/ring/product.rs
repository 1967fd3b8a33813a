//! Products of two ring ciphertexts: the tensor product of Brakerski and Fan-Vercauteren, without
//! dividing a larger modulus.
//!
//! Messages are multiples of 1/t on the torus, t the modulus. As real numbers, the phases are
//! `u/t + e + k`: integers u, noise e, and integers k, for the phase is known only modulo 1. Then
//! `t * phase_a * phase_b = u_a u_b / t + t (e_a (phase_b) + e_b (phase_a)) + integers`. So all noise is
//! multiplied by the other factor's phase, and that must be small as a real number.
//!
//! A phase `b - a S` under a binary key S is as wide as `|S|` and follows its mean of 1/2. Write
//! `S = (J + P) / 2` instead, J all ones and P of 1 and -1: with `alpha = a / 2` and `beta = b - alpha J`
//! taken modulo 1, the phase `beta - alpha P` has half the variance, and everything below stays small
//! enough for an f64 FFT, for the least frequency of J, where most of its energy is, is gone.

use zeroize::Zeroizing;

use crate::Packed;
use crate::convert;
use crate::fft::{Fourier, Transform, add_product, add_scaled_product};
use crate::keys::bodies::SeededBodies;
use crate::keys::{EvaluationKey, SecretKey};
use crate::ring::key_switch::{self, Workspace};
use crate::ring::{negacyclic, times_ones};

/// A factor: alpha and beta in the Fourier domain.
struct Operand {
    alpha: Fourier,
    beta: Fourier,
}

impl Operand {
    fn new(packed: &Packed, transform: &mut Transform) -> Self {
        let (mask, body) = packed.as_ref().split_at(packed.polynomial_size().0);
        // Halves of representatives in [-1/2, 1/2). The lost last bit is 2^-64 of the torus.
        let alpha: Vec<u64> = mask.iter().map(|&a| (a as i64 >> 1) as u64).collect();
        let beta = body.iter().zip(times_ones(&alpha));
        let beta: Vec<u64> = beta.map(|(b, mean)| b.wrapping_sub(mean)).collect();
        Self {
            alpha: transform.torus(&alpha),
            beta: transform.torus(&beta),
        }
    }
}

/// The product of messages u/t and v/t, integers u and v over t, `modulus`: the ciphertext of
/// `(u * v mod X^N + 1) / t`.
///
/// Noise: `product_variance`. The f64 FFT's own error, about `t * 2^-40`, is below it as long as the
/// operands' noise is above 2^-50.
///
/// Cost: 8 FFTs, and one for each level of `ring_key_switch`.
///
/// # Panics
/// On ciphertexts of another dimension than the key's.
pub fn multiply(a: &Packed, b: &Packed, modulus: u64, key: &EvaluationKey) -> Packed {
    let size = convert::ring_size(key.parameters);
    assert!(a.polynomial_size() == size && b.polynomial_size() == size);
    let mut work = Workspace::new(size);
    let transform = &mut work.transform;
    let (a, b) = (Operand::new(a, transform), Operand::new(b, transform));
    let t = modulus as f64;

    let mut square = transform.zero();
    add_product(&mut square, &a.alpha, &b.alpha);
    let mut gamma = vec![0; size.0];
    transform.backward(&square, t, &mut gamma, |_, new| new);

    let mut cross = transform.zero();
    add_product(&mut cross, &a.alpha, &b.beta);
    add_product(&mut cross, &a.beta, &b.alpha);
    let mut linear = vec![0; size.0];
    transform.backward(&cross, t, &mut linear, |_, new| new);

    // gamma P^2, and from here on under S.
    key.relinearization.multiply(&gamma, &mut work);
    let [mask, body] = &mut work.product;
    add_scaled_product(body, t, &a.beta, &b.beta);
    // -linear P = -2 linear S + linear J
    let mut output: Vec<u64> = linear.iter().map(|x| x.wrapping_mul(2)).collect();
    output.extend(times_ones(&linear));
    let (output_mask, output_body) = output.split_at_mut(size.0);
    let transform = &mut work.transform;
    transform.backward(mask, 1.0, output_mask, u64::wrapping_add);
    transform.backward(body, 1.0, output_body, u64::wrapping_add);
    Packed::from_container(output, size, convert::modulus())
}

/// Encrypts the gadget multiples of P^2, P = 2 S - J, seeded.
pub(crate) fn generate(secret: &SecretKey) -> SeededBodies {
    let ring = secret.ring();
    let signs = ring.as_ref().iter().map(|bit| (2 * bit).wrapping_sub(1));
    let signs = Zeroizing::new(signs.collect::<Vec<u64>>());
    let square = negacyclic(&signs, &signs);
    key_switch::generate_rounded(secret, &[square])
}
