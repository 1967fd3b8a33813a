//! The LWE key switch from the ring key's coefficients to the small key, as products in a small ring.
//!
//! The small key's bits are the first n coefficients of a polynomial of the key-switching ring, all others 0. The
//! mask of a scalar, cut into pieces, is one polynomial for each piece; digits of these times the key are a
//! ring ciphertext whose coefficient 0 is the scalar under the small key. Only its mask needs FFTs. (Bergerat,
//! Chillotti, Ligier, Orfila, Roux-Langlois, Tap, "New secret keys for enhanced performance in (T)FHE", CCS 2024,
//! sections 3 and 5: partial keys, and key switches of scalars by FFT.)
//!
//! Everything is modulo 2^32: the key's noise is at least 2^12 times coarser than 2^-32 in every secure set.

use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::parameters::{Decomposition, KEY_SWITCH_BODY_BITS};
use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

use crate::convert::{self, round_to_32_bits, rounded_shift};
use crate::fft::{Fourier, Transform, add_product};
use crate::keys::SecretKey;
use crate::keys::bodies::SeededBodies;
use crate::simd::vectorized;

/// Makes the key-switching key, seeded, modulo 2^32: for every piece of the ring key and every digit, the first digit
/// first, the piece as a polynomial times what the digit stands for.
pub(crate) fn generate(secret: &SecretKey, seeder: &mut dyn Seeder) -> SeededBodies {
    let parameters = secret.parameters();
    let size = parameters.key_switch_polynomial_size();
    let mut small = Zeroizing::new(vec![0u32; size]);
    for (bit, of) in small.iter_mut().zip(secret.lwe().as_ref()) {
        *bit = *of as u32;
    }
    let Decomposition { base_log, levels } = parameters.key_switch;
    let key = secret.scalar();
    let count = key.as_ref().len() * levels as usize;
    let mut messages = Zeroizing::new(Vec::with_capacity(count));
    for piece in key.as_ref().chunks(size) {
        for level in 1..=levels {
            messages.extend(piece.iter().map(|&s| (s as u32) << (32 - base_log * level)));
        }
    }
    let mut list = SeededGlweCiphertextList::new(
        0,
        convert::RING_GLWE_SIZE,
        PolynomialSize(size),
        GlweCiphertextCount(count / size),
        seeder.seed().into(),
        CiphertextModulus::<u32>::new_native(),
    );
    encrypt_seeded_glwe_ciphertext_list(
        &GlweSecretKey::from_container(small.as_slice(), PolynomialSize(size)),
        &mut list,
        &PlaintextList::from_container(messages.as_slice()),
        TUniform::new(parameters.lwe_noise.bound_log2 - 32),
        seeder,
    );
    let bodies: Vec<u64> = list.as_ref().iter().map(|&x| u64::from(x) << 32).collect();
    SeededBodies::new(list.compression_seed(), &bodies, KEY_SWITCH_BODY_BITS)
}

/// Whether a key from outside has the seed and the length that [`generate`] gives it.
pub(crate) fn fits(key: &SeededBodies, parameters: &ParameterSet) -> bool {
    key.fits(parameters.key_switch_key_bodies(), KEY_SWITCH_BODY_BITS)
}

/// Key-switching key with its masks, ready for use.
pub(crate) struct KeySwitchKey {
    /// Masks of all pieces' and digits' ciphertexts, in the Fourier domain.
    masks: Vec<Fourier>,
    /// Their bodies, one after the other, each [`mirrored`].
    bodies: Vec<u32>,
    parameters: &'static ParameterSet,
}

/// An LWE ciphertext under the small key, modulo 2^32: n mask elements and a body.
pub(crate) type SmallLwe = Vec<u32>;

impl KeySwitchKey {
    pub(crate) fn expand(seeded: SeededBodies, parameters: &'static ParameterSet) -> Self {
        let count = parameters.key_switch_key_bodies();
        let (seed, bodies) = seeded.expand(count, KEY_SWITCH_BODY_BITS);
        let size = PolynomialSize(parameters.key_switch_polynomial_size());
        let list = SeededGlweCiphertextList::from_container(
            bodies.iter().map(|&x| (x >> 32) as u32).collect::<Vec<_>>(),
            convert::RING_GLWE_SIZE,
            size,
            seed,
            CiphertextModulus::<u32>::new_native(),
        );
        let list = list.decompress_into_glwe_ciphertext_list();
        let mut transform = Transform::new(size);
        let (mut masks, mut bodies) = (Vec::new(), Vec::new());
        for ciphertext in list.as_ref().chunks(2 * size.0) {
            let (mask, body) = ciphertext.split_at(size.0);
            let mask: Vec<u64> = mask.iter().map(|&x| u64::from(x) << 32).collect();
            masks.push(transform.torus(&mask));
            bodies.extend(mirrored(body));
        }
        Self {
            masks,
            bodies,
            parameters,
        }
    }

    /// Room for the key switches of one thread.
    pub(crate) fn workspace(&self) -> Workspace {
        let size = self.parameters.key_switch_polynomial_size();
        let transform = Transform::new(PolynomialSize(size));
        Workspace {
            piece: vec![0; size],
            digits: vec![0; size * self.parameters.key_switch.levels as usize],
            fourier: transform.zero(),
            sum: transform.zero(),
            mask: vec![0; size],
            transform,
        }
    }

    /// Switches an LWE ciphertext of N + 1 elements. Noise: `key_switch_variance`.
    ///
    /// Cost: `N / N' * levels + 1` FFTs of the key-switching ring's size N'.
    pub(crate) fn apply(&self, value: &[u64], work: &mut Workspace) -> SmallLwe {
        let (&body, mask) = value.split_last().expect("a body is always there");
        let (size, count) = (work.piece.len(), work.digits.len());
        let (mut correction, mut body_product) = (0u64, 0u32);
        work.sum.fill(0.0);
        let keys = self.masks.chunks(count / size);
        let keys = keys.zip(self.bodies.chunks(count));
        for (piece, (masks, bodies)) in mask.chunks(size).zip(keys) {
            for (out, x) in work.piece.iter_mut().zip(mirrored(piece)) {
                *out = x;
            }
            let errors = digits(
                &mut work.piece,
                self.parameters.key_switch,
                &mut work.digits,
            );
            correction = correction.wrapping_add(errors);
            body_product = body_product.wrapping_add(dot(&work.digits, bodies));
            for (digits, key) in work.digits.chunks(size).zip(masks) {
                work.transform.forward(
                    digits,
                    &mut work.fourier,
                    1,
                    #[inline(always)]
                    |digit| f64::from(digit as i32),
                );
                add_product(&mut work.sum, &work.fourier, key);
            }
        }
        let body = body.wrapping_add(halved(correction));
        work.transform.backward(
            &work.sum,
            1.0,
            &mut work.mask,
            #[inline(always)]
            |_, new| new,
        );
        let product = work
            .mask
            .iter()
            .map(|&x| round_to_32_bits(x).wrapping_neg());
        let product: Vec<u32> = product.collect();
        let mut small: Vec<u32> = mirrored(&product).collect();
        small.truncate(self.parameters.lwe_dimension);
        small.push(round_to_32_bits(body).wrapping_sub(body_product));
        small
    }
}

/// X^i to X^-i: coefficient 0 of a polynomial times another is the scalar product with the other mirrored. Its own
/// inverse.
fn mirrored<T: UnsignedInteger>(polynomial: &[T]) -> impl Iterator<Item = T> {
    let (first, rest) = polynomial.split_at(1);
    let first = first.iter().copied();
    first.chain(rest.iter().rev().map(|x| x.wrapping_neg()))
}

fn dot(a: &[u32], b: &[u32]) -> u32 {
    vectorized(
        (a, b),
        #[inline(always)]
        |(a, b)| {
            let terms = a.iter().zip(b).map(|(a, b)| a.wrapping_mul(*b));
            terms.fold(0, u32::wrapping_add)
        },
    )
}

fn halved(x: u64) -> u64 {
    (x as i64 / 2) as u64
}

/// The buffers of key switches, for one thread.
pub(crate) struct Workspace {
    transform: Transform,
    piece: Vec<u64>,
    /// All digits of the first level, then all of the next.
    digits: Vec<u32>,
    fourier: Fourier,
    sum: Fourier,
    mask: Vec<u64>,
}

/// Signed digits of mask elements as two's complement, level by level, the most significant first. Returns what they
/// add up to, less the elements, where an element meets the key as it is, summed over elements: half of it is what
/// the key, half of whose bits are 1, takes from the phase on average. Leaves nothing of use in `mask`.
///
/// Rounded to the digits that are kept; then digit by digit from the lowest, each above half the base made negative
/// with a carry into the next. One of just half goes the way that its next digit will go, the topmost that of bits
/// which are dropped, so that digits are 0 on average: any other mean, times the sum of the key's noise, would move
/// all values of a client the same way.
fn digits(mask: &mut [u64], decomposition: Decomposition, out: &mut [u32]) -> u64 {
    let Decomposition { base_log, levels } = decomposition;
    let half = 1 << (base_log - 1);
    let low = (1u64 << base_log) - 1;
    let dropped = 64 - base_log * levels;
    vectorized(
        (mask, out),
        #[inline(always)]
        |(mask, out)| {
            let (mut first, mut errors) = (0u64, 0u64);
            for (i, x) in mask.iter_mut().enumerate() {
                let rounded = rounded_shift(*x, dropped);
                let error = (rounded << dropped).wrapping_sub(*x);
                errors = errors.wrapping_sub(error);
                first = if i == 0 { error } else { first };
                // Not the lowest bits: of what comes out of an FFT they are 0.
                let coin = ((*x >> (dropped - 1 - base_log)) & low) << (base_log * levels);
                *x = rounded + coin;
            }
            for level in out.chunks_exact_mut(mask.len()).rev() {
                for (out, rest) in level.iter_mut().zip(&mut *mask) {
                    let digit = *rest & low;
                    let next = (*rest >> base_log) & low;
                    let carry = u64::from((digit > half) | ((digit == half) & (next >= half)));
                    *out = (digit as u32).wrapping_sub((carry as u32) << base_log);
                    *rest = (*rest >> base_log).wrapping_add(carry);
                }
            }
            // All but the first were negated when they were mirrored.
            errors.wrapping_add(first.wrapping_mul(2))
        },
    )
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::parameters::ALL;
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Most significant first, of one element; and the sum of errors.
    fn digits_of(x: u64, decomposition: Decomposition) -> (Vec<i64>, u64) {
        let mut out = vec![0; decomposition.levels as usize];
        let errors = digits(&mut [x], decomposition, &mut out);
        let digits = out.into_iter().map(|d| i64::from(d as i32)).collect();
        (digits, errors)
    }

    proptest! {
        #[test]
        fn digits_recompose_to_the_rounded_value(x in any::<u64>()) {
            for set in ALL {
                let Decomposition { base_log, levels } = set.key_switch;
                let half = 1i64 << (base_log - 1);
                let mut sum = 0u64;
                let (digits, errors) = digits_of(x, set.key_switch);
                for (&digit, level) in digits.iter().zip(1..) {
                    prop_assert!((-half..=half).contains(&digit));
                    sum = sum.wrapping_add((digit as u64) << (64 - base_log * level));
                }
                let error = sum.wrapping_sub(x) as i64;
                let lowest = 64 - base_log * levels;
                prop_assert!(error.unsigned_abs() <= 1 << (lowest - 1), "{error}");
                prop_assert_eq!(errors as i64, error);
            }
        }
    }

    /// Also of values whose lowest bits are 0, as those that come out of an FFT.
    #[test]
    fn digits_have_the_predicted_mean_square_and_no_mean() {
        let mut random = StdRng::seed_from_u64(1);
        for set in ALL {
            let mut values: Vec<u64> = (0..20_000).map(|_| random.random::<u64>() << 28).collect();
            let mut out = vec![0; values.len() * set.key_switch.levels as usize];
            digits(&mut values, set.key_switch, &mut out);
            let all: Vec<f64> = out.iter().map(|&d| f64::from(d as i32)).collect();
            let mean =
                |of: fn(f64) -> f64| all.iter().map(|&d| of(d)).sum::<f64>() / all.len() as f64;
            let ratio = mean(|d| d * d) / set.key_switch.tied_digit_variance();
            // The lowest digit has no carry from below, and 3 % are for it.
            assert!((0.98..1.03).contains(&ratio), "{}: {ratio}", set.name);
            let offset = mean(|d| d) / mean(|d| d * d).sqrt();
            assert!(offset.abs() < 0.02, "{}: {offset}", set.name);
        }
    }
}
