//! Packing: many LWE values into one RLWE ciphertext.
//!
//! Chen, Dai, Kim, Song, "Efficient homomorphic conversion between (ring) LWE ciphertexts", ACNS
//! 2021, Algorithm 2: a tree of automorphisms merges pairs, then a trace removes what stands between
//! the slots. Each of its log2 N steps doubles the message. Instead of losing log2 N bits, the inputs
//! are first divided by N and read as integers: what wrapped around the torus becomes a multiple of
//! 2^64 / N, which the factor N turns into a multiple of 2^64.

use rayon::join;

use super::automorphism::substitute;
use super::key_switch::Workspace;
use crate::convert::{self, rounded_shift};
use crate::error::FheError;
use crate::keys::EvaluationKey;
use crate::ring::times_monomial;
use crate::{Packed, Scalars};

/// Trees with at least as many values are worth a second core.
const WIDE: usize = 8;

/// Packs m values; value i lands at coefficient `i * N / m'`, m' the power of two at or above m. The
/// other coefficients are noise around 0.
///
/// Cost: m' - 1 + log2(N / m') automorphisms. Noise: `packing_variance` on top of the inputs'.
///
/// # Errors
/// No value, more than N, or values of another dimension.
pub fn pack(values: &Scalars, key: &EvaluationKey) -> Result<Packed, FheError> {
    let count = values.lwe_ciphertext_count().0;
    let stride = key.parameters.ring_dimension / count.next_power_of_two();
    let slots: Vec<usize> = (0..count).map(|i| i * stride.max(1)).collect();
    pack_at(values, &slots, key)
}

/// Packs values; value i lands at coefficient `slots[i]`. The other coefficients are noise around 0.
///
/// Cost: an automorphism for each residue of the slots modulo every `N / 2^i`, i = 1..=log2 N: least
/// where they are multiples of a large power of two. Noise: `packing_variance` on top of the inputs',
/// over all coefficients `packing_energy`.
///
/// # Errors
/// No value, another number of slots than of values, slots that are not distinct and below N, or values of
/// another dimension.
pub fn pack_at(values: &Scalars, slots: &[usize], key: &EvaluationKey) -> Result<Packed, FheError> {
    let size = key.parameters.ring_dimension;
    let mut taken = vec![false; size];
    let mut free = |slot: usize| slot < size && !std::mem::replace(&mut taken[slot], true);
    if slots.is_empty()
        || values.lwe_ciphertext_count().0 != slots.len()
        || values.lwe_size() != convert::scalar_size(key.parameters)
        || !slots.iter().all(|&slot| free(slot))
    {
        return Err(FheError::Shape {
            operation: "pack",
            expected: format!("1 to {size} values of size {} in as many slots", size + 1),
            got: format!(
                "{} values of size {}, {} slots",
                values.lwe_ciphertext_count().0,
                values.lwe_size().0,
                slots.len()
            ),
        });
    }
    let leaves = values.as_ref().chunks(size + 1).zip(slots);
    let leaves = leaves.map(|(value, &slot)| Leaf { value, slot }).collect();
    let mut work = Work::new(key);
    let packed = merge(leaves, size.ilog2(), key, &mut work);
    let size = convert::ring_size(key.parameters);
    Ok(Packed::from_container(packed, size, convert::modulus()))
}

/// An LWE value and the coefficient it goes to, in units of its subtree's stride.
struct Leaf<'a> {
    value: &'a [u64],
    slot: usize,
}

/// What one thread needs.
struct Work {
    switch: Workspace,
    /// A ciphertext after the substitution of an automorphism.
    rotated: Vec<u64>,
}

impl Work {
    fn new(key: &EvaluationKey) -> Self {
        Self {
            switch: Workspace::new(convert::ring_size(key.parameters)),
            rotated: vec![0; 2 * key.parameters.ring_dimension],
        }
    }
}

/// Merges leaves with distinct slots below 2^depth: those of even slot, those of odd slot, then both, as
/// `(even + X^s odd) + auto(even - X^s odd)` with `s = N / 2^depth`; a side without leaves is zero.
fn merge(leaves: Vec<Leaf>, depth: u32, key: &EvaluationKey, work: &mut Work) -> Vec<u64> {
    if depth == 0 {
        return embed(leaves[0].value);
    }
    let size = key.parameters.ring_dimension;
    let stride = size >> depth;
    let wide = leaves.len() >= WIDE;
    let (mut even, mut odd): (Vec<_>, Vec<_>) =
        leaves.into_iter().partition(|leaf| leaf.slot % 2 == 0);
    even.iter_mut()
        .chain(&mut odd)
        .for_each(|leaf| leaf.slot /= 2);
    if even.is_empty() || odd.is_empty() {
        let alone = if even.is_empty() { 1 } else { 0 };
        let side = if alone == 1 { odd } else { even };
        let mut sum = merge(side, depth - 1, key, work);
        rotate(&sum, depth, &mut work.rotated);
        key.automorphisms
            .add_switched(depth, &work.rotated, &mut sum, &mut work.switch);
        // auto(-X^s odd) = X^s auto(odd)
        times_monomial(&mut sum, alone * stride, size);
        return sum;
    }
    let (mut sum, mut difference) = if wide {
        join(
            || merge(even, depth - 1, key, work),
            || merge(odd, depth - 1, key, &mut Work::new(key)),
        )
    } else {
        (
            merge(even, depth - 1, key, work),
            merge(odd, depth - 1, key, work),
        )
    };
    times_monomial(&mut difference, stride, size);
    for (even, odd) in sum.iter_mut().zip(&mut difference) {
        (*even, *odd) = (even.wrapping_add(*odd), even.wrapping_sub(*odd));
    }
    rotate(&difference, depth, &mut work.rotated);
    key.automorphisms
        .add_switched(depth, &work.rotated, &mut sum, &mut work.switch);
    sum
}

/// Both polynomials of a ciphertext, X^(2^i + 1) put for X.
fn rotate(ciphertext: &[u64], i: u32, rotated: &mut [u64]) {
    let size = ciphertext.len() / 2;
    for (polynomial, out) in ciphertext.chunks(size).zip(rotated.chunks_mut(size)) {
        substitute(polynomial, (1 << i) + 1, out);
    }
}

/// The RLWE ciphertext with the LWE's value, divided by N, in coefficient 0; the rest is arbitrary.
fn embed(lwe: &[u64]) -> Vec<u64> {
    let size = lwe.len() - 1;
    let bits = size.ilog2();
    // Signed: a mean would gather at the frequencies that the key amplifies most.
    let divide = |x: u64| ((rounded_shift(x, bits) << bits) as i64 >> bits) as u64;
    let mut glwe = vec![0; 2 * size];
    glwe[0] = divide(lwe[0]);
    for (out, &x) in glwe[1..size].iter_mut().zip(lwe[1..size].iter().rev()) {
        *out = divide(x).wrapping_neg();
    }
    glwe[size] = divide(lwe[size]);
    glwe
}
