//! Packing: many LWE values into one RLWE ciphertext.
//!
//! Chen, Dai, Kim, Song, "Efficient homomorphic conversion between (ring) LWE ciphertexts", ACNS
//! 2021, Algorithm 2: a tree of automorphisms merges pairs, then a trace removes what stands between
//! the slots. Each of its log2 N steps doubles the message. Instead of losing log2 N bits, the inputs
//! are first divided by N and read as integers: what wrapped around the torus becomes a multiple of
//! 2^64 / N, which the factor N turns into a multiple of 2^64.

use rayon::join;
use tfhe::core_crypto::prelude::PolynomialSize;

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
            expected: format!(
                "1 to {size} values of size {}, in as many distinct slots below {size}",
                size + 1
            ),
            got: format!(
                "{} values of size {} in slots {slots:?}",
                values.lwe_ciphertext_count().0,
                values.lwe_size().0,
            ),
        });
    }
    let leaves = values.as_ref().chunks(size + 1).zip(slots);
    let leaves = leaves.map(|(value, &slot)| Leaf { value, slot }).collect();
    let tree = Tree {
        key,
        bottom: 0,
        embed,
    };
    let packed = tree.merge(leaves, size.ilog2(), &mut Work::new(key));
    let size = convert::ring_size(key.parameters);
    Ok(Packed::from_container(packed, size, convert::modulus()))
}

/// Packs ciphertexts that hold `held` values each, at the multiples of `N / held`; those of ciphertext l move up by
/// `l * unit`, `unit` being `N / held` divided by the number of ciphertexts up to a power of two. Whatever else the
/// ciphertexts hold is removed.
///
/// Cost: one automorphism a ciphertext, and those of the steps above. Noise: `merging_variance` on top of the
/// inputs'.
pub(crate) fn merge_packed(ciphertexts: Vec<Vec<u64>>, held: usize, key: &EvaluationKey) -> Packed {
    let size = key.parameters.ring_dimension;
    let bottom = held.ilog2();
    let unit = (size / held) / ciphertexts.len().next_power_of_two();
    let leaves = ciphertexts.into_iter().enumerate();
    let leaves = leaves.map(|(l, value)| Leaf {
        value,
        slot: l * unit,
    });
    let tree = Tree {
        key,
        bottom,
        embed: |mut ciphertext: Vec<u64>| {
            let bits = (size / held).ilog2();
            ciphertext.iter_mut().for_each(|x| *x = divided(*x, bits));
            ciphertext
        },
    };
    let packed = tree.merge(leaves.collect(), size.ilog2(), &mut Work::new(key));
    Packed::from_container(packed, PolynomialSize(size), convert::modulus())
}

/// What is packed, and the coefficient it goes to, in units of its subtree's stride.
struct Leaf<T> {
    value: T,
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

/// How a list of leaves becomes one ciphertext.
struct Tree<'a, F> {
    key: &'a EvaluationKey,
    /// The depth of the leaves: 2^bottom values each.
    bottom: u32,
    /// A leaf as a ciphertext, divided by what the steps above multiply.
    embed: F,
}

impl<F> Tree<'_, F> {
    /// Merges leaves with distinct slots below 2^(depth - bottom): those of even slot, those of odd slot,
    /// then both, as `(even + X^s odd) + auto(even - X^s odd)` with `s = N / 2^depth`; a side without leaves
    /// is zero.
    fn merge<T: Send>(&self, mut leaves: Vec<Leaf<T>>, depth: u32, work: &mut Work) -> Vec<u64>
    where
        F: Fn(T) -> Vec<u64> + Sync,
    {
        if depth == self.bottom {
            let leaf = leaves.pop().expect("no side without leaves is merged");
            return (self.embed)(leaf.value);
        }
        let size = self.key.parameters.ring_dimension;
        let stride = size >> depth;
        let (mut even, mut odd): (Vec<_>, Vec<_>) =
            leaves.into_iter().partition(|leaf| leaf.slot % 2 == 0);
        even.iter_mut()
            .chain(&mut odd)
            .for_each(|leaf| leaf.slot /= 2);
        if even.is_empty() || odd.is_empty() {
            let alone = if even.is_empty() { 1 } else { 0 };
            let side = if alone == 1 { odd } else { even };
            let mut sum = self.merge(side, depth - 1, work);
            substitute_both(&sum, depth, &mut work.rotated);
            self.key
                .automorphisms
                .add_switched(depth, &work.rotated, &mut sum, &mut work.switch);
            // auto(-X^s odd) = X^s auto(odd)
            times_monomial(&mut sum, alone * stride, size);
            return sum;
        }
        let (mut sum, mut difference) = self.merge_both(even, odd, depth - 1, work);
        times_monomial(&mut difference, stride, size);
        for (even, odd) in sum.iter_mut().zip(&mut difference) {
            (*even, *odd) = (even.wrapping_add(*odd), even.wrapping_sub(*odd));
        }
        substitute_both(&difference, depth, &mut work.rotated);
        self.key
            .automorphisms
            .add_switched(depth, &work.rotated, &mut sum, &mut work.switch);
        sum
    }

    /// [`Tree::merge`] of both sides, at once where that pays.
    fn merge_both<T: Send>(
        &self,
        even: Vec<Leaf<T>>,
        odd: Vec<Leaf<T>>,
        depth: u32,
        work: &mut Work,
    ) -> (Vec<u64>, Vec<u64>)
    where
        F: Fn(T) -> Vec<u64> + Sync,
    {
        if even.len() + odd.len() < WIDE {
            return (self.merge(even, depth, work), self.merge(odd, depth, work));
        }
        join(
            || self.merge(even, depth, work),
            || self.merge(odd, depth, &mut Work::new(self.key)),
        )
    }
}

/// Both polynomials of a ciphertext, X^(2^i + 1) put for X.
fn substitute_both(ciphertext: &[u64], i: u32, rotated: &mut [u64]) {
    let size = ciphertext.len() / 2;
    for (polynomial, out) in ciphertext.chunks(size).zip(rotated.chunks_mut(size)) {
        substitute(polynomial, (1 << i) + 1, out);
    }
}

/// The RLWE ciphertext with the LWE's value, divided by N, in coefficient 0; the rest is arbitrary.
fn embed(lwe: &[u64]) -> Vec<u64> {
    let size = lwe.len() - 1;
    let divide = |x: u64| divided(x, size.ilog2());
    let mut glwe = vec![0; 2 * size];
    glwe[0] = divide(lwe[0]);
    for (out, &x) in glwe[1..size].iter_mut().zip(lwe[1..size].iter().rev()) {
        *out = divide(x).wrapping_neg();
    }
    glwe[size] = divide(lwe[size]);
    glwe
}

/// A torus element divided by 2^bits, rounded, as an integer. Signed: a mean would gather at the
/// frequencies that the key amplifies most.
fn divided(x: u64, bits: u32) -> u64 {
    if bits == 0 {
        return x;
    }
    ((rounded_shift(x, bits) << bits) as i64 >> bits) as u64
}
