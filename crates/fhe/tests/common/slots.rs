//! Integers over a modulus at chosen coefficients.

use cipherformer_circuit::ParameterSet;
use cipherformer_fhe::{Packed, pack_at};
use rand::rngs::StdRng;

use super::{noisy, shared};

/// u / t on the torus.
pub(crate) fn fraction(u: u64, t: u64) -> u64 {
    ((u128::from(u % t) << 64) / u128::from(t)) as u64
}

/// The plain polynomial with these values in these slots.
pub(crate) fn polynomial(size: usize, slots: &[usize], values: &[u64]) -> Vec<u64> {
    let mut out = vec![0; size];
    slots
        .iter()
        .zip(values)
        .for_each(|(&slot, &x)| out[slot] = x);
    out
}

/// Encrypts values as scalars, with Gaussian noise of this standard deviation on top, and packs them.
pub(crate) fn encrypt(
    values: &[u64],
    slots: &[usize],
    noise: f64,
    parameters: &'static ParameterSet,
    random: &mut StdRng,
) -> Packed {
    let client = shared(parameters);
    let scalars = client.secret.encrypt_scalars(&noisy(values, noise, random));
    pack_at(&scalars, slots, &client.evaluation).expect("distinct slots")
}
