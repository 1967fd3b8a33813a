//! Key switching in the ring: a polynomial times a secret that is not the ring key, as a ciphertext
//! under the ring key.

use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::parameters::{Decomposition, RING_KEY_BODY_BITS};
use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

use crate::convert;
use crate::fft::{Fourier, Transform, add_product};
use crate::gadget::Gadget;
use crate::keys::SecretKey;
use crate::keys::bodies::SeededBodies;

/// Encryptions of one polynomial T under the ring key, times `2^-(base_log * level)` for every level.
pub(crate) struct RingKeySwitchKey {
    /// `levels[level]`: mask and body in the Fourier domain.
    levels: Vec<[Fourier; 2]>,
    gadget: Decomposition,
}

/// Encrypts the gadget multiples of integer polynomials, one after the other, seeded.
pub(crate) fn generate(
    secret: &SecretKey,
    polynomials: &[Zeroizing<Vec<u64>>],
) -> SeededGlweCiphertextListOwned<u64> {
    let parameters = secret.parameters();
    let gadget = parameters.ring_key_switch;
    // Full of key bits: at full size from the start, so that no copy is left behind, and wiped.
    let size = polynomials.len() * gadget.levels as usize * parameters.ring_dimension;
    let mut messages = Zeroizing::new(Vec::with_capacity(size));
    for polynomial in polynomials {
        for level in 1..=gadget.levels {
            let factor = 1u64 << (64 - gadget.base_log * level);
            messages.extend(polynomial.iter().map(|s| s.wrapping_mul(factor)));
        }
    }
    secret.encrypt_seeded(&messages)
}

/// The same as [`generate`], bodies rounded for their way.
pub(crate) fn generate_rounded(
    secret: &SecretKey,
    polynomials: &[Zeroizing<Vec<u64>>],
) -> SeededBodies {
    let list = generate(secret, polynomials);
    SeededBodies::new(list.compression_seed(), list.as_ref(), RING_KEY_BODY_BITS)
}

/// Whether keys from outside have the seed and the length that [`generate_rounded`] gives them for `count` polynomials.
pub(crate) fn fits(keys: &SeededBodies, count: usize, parameters: &ParameterSet) -> bool {
    keys.fits(count * parameters.ring_key_bodies(), RING_KEY_BODY_BITS)
}

/// One key for each of `count` polynomials.
pub(crate) fn expand_rounded(
    keys: SeededBodies,
    count: usize,
    parameters: &ParameterSet,
) -> Vec<RingKeySwitchKey> {
    let (seed, bodies) = keys.expand(count * parameters.ring_key_bodies(), RING_KEY_BODY_BITS);
    let list = SeededGlweCiphertextList::from_container(
        bodies,
        convert::RING_GLWE_SIZE,
        convert::ring_size(parameters),
        seed,
        convert::modulus(),
    );
    expand(list, parameters)
}

/// One key for each polynomial of a seeded list.
pub(crate) fn expand(
    seeded: SeededGlweCiphertextListOwned<u64>,
    parameters: &ParameterSet,
) -> Vec<RingKeySwitchKey> {
    let gadget = parameters.ring_key_switch;
    let mut transform = Transform::new(convert::ring_size(parameters));
    let list = seeded.decompress_into_glwe_ciphertext_list();
    let level = |ciphertext: &[u64]| {
        let (mask, body) = ciphertext.split_at(parameters.ring_dimension);
        [transform.torus(mask), transform.torus(body)]
    };
    let fourier: Vec<_> = list
        .as_ref()
        .chunks(2 * parameters.ring_dimension)
        .map(level)
        .collect();
    let keys = fourier.chunks(gadget.levels as usize);
    keys.map(|levels| RingKeySwitchKey {
        levels: levels.to_vec(),
        gadget,
    })
    .collect()
}

/// A transform and the buffers of key switches, for one thread.
pub(crate) struct Workspace {
    pub(crate) transform: Transform,
    digits: Fourier,
    /// Mask and body of the last product, in the Fourier domain.
    pub(crate) product: [Fourier; 2],
}

impl Workspace {
    pub(crate) fn new(size: PolynomialSize) -> Self {
        let transform = Transform::new(size);
        Self {
            digits: transform.zero(),
            product: [transform.zero(), transform.zero()],
            transform,
        }
    }
}

impl RingKeySwitchKey {
    /// Leaves `polynomial * T`, encrypted, in the workspace's product. Noise: `ring_key_switch_variance`,
    /// its rounding term times the mean square of T's coefficients over that of the ring key's.
    ///
    /// Cost: one forward FFT a level.
    pub(crate) fn multiply(&self, polynomial: &[u64], work: &mut Workspace) {
        let gadget = Gadget::new(self.gadget);
        for sum in &mut work.product {
            sum.fill(0.0);
        }
        for (key, level) in self.levels.iter().zip(1..) {
            work.transform
                .forward(polynomial, &mut work.digits, 1, gadget.digit(level));
            for (sum, key) in work.product.iter_mut().zip(key) {
                add_product(sum, &work.digits, key);
            }
        }
    }
}
