//! Attention as two ring products: 4 positions, one head of width 4, by hand.
//!
//! `cargo run --release --example attention_by_hand`
//!
//! The book's page on attention walks through this file.

use anyhow::{Context, Result, ensure};
use cipherformer_circuit::parameters::PRECISE_1024;
use cipherformer_fhe::{
    EvaluationKey, Packed, SecretKey, SeededEvaluationKey, add, extract, multiply, pack_at, shift,
};

/// d, the width of the head.
const WIDTH: usize = 4;
/// P, how many positions there are.
const POSITIONS: usize = 4;
/// s = N / (P d): the smallest step between two slots.
const UNIT: usize = PRECISE_1024.ring_dimension / (WIDTH * POSITIONS);
/// t: everything is an integer over t. Sums of products must stay below t / 2.
const MODULUS: u64 = 256;

const QUERY: [i64; WIDTH] = [3, -1, 2, 0];
const KEYS: [[i64; WIDTH]; POSITIONS] = [[1, 0, 2, 1], [-2, 3, 0, 1], [0, 1, -3, 2], [2, 2, 2, 2]];
const VALUES: [[i64; WIDTH]; POSITIONS] =
    [[1, 2, 3, 4], [4, 3, 2, 1], [-1, 0, 1, 0], [0, -2, 0, 2]];
/// What softmax might make of the scores, in integers.
const WEIGHTS: [i64; POSITIONS] = [9, 1, 0, 6];

struct Keys {
    secret: SecretKey,
    evaluation: EvaluationKey,
}

fn main() -> Result<()> {
    println!("making keys ...");
    let secret = SecretKey::generate(&PRECISE_1024);
    let seeded = SeededEvaluationKey::generate(&secret, |_| ());
    let evaluation = EvaluationKey::expand(seeded, &PRECISE_1024);
    let keys = Keys { secret, evaluation };

    let scores = scores(&keys)?;
    println!("scores q . k_j:            {scores:?}");
    ensure!(scores == KEYS.map(|key| dot(&QUERY, &key)), "wrong scores");

    let mixed = mixed(&keys)?;
    println!("weighted sums of values:   {mixed:?}");
    let column = |i: usize| VALUES.map(|value| value[i]);
    let expected: Vec<i64> = (0..WIDTH).map(|i| dot(&WEIGHTS, &column(i))).collect();
    ensure!(mixed == expected, "wrong sums");
    println!("two ring products, no bootstrap");
    Ok(())
}

// ANCHOR: scores
/// All scores of one query in one ring product.
fn scores(keys: &Keys) -> Result<[i64; POSITIONS]> {
    // The query reversed: q_i at X^((d - 1 - i) P s).
    let slots: Vec<usize> = (0..WIDTH)
        .map(|i| (WIDTH - 1 - i) * POSITIONS * UNIT)
        .collect();
    let query = encrypt(keys, &QUERY, &slots)?;
    // The cache of keys: k_i of position j at X^(i P s + j s). A new key is packed for position 0,
    // shifted to its place and added.
    let slots: Vec<usize> = (0..WIDTH).map(|i| i * POSITIONS * UNIT).collect();
    let mut cache = encrypt(keys, &KEYS[0], &slots)?;
    for (position, key) in KEYS.iter().enumerate().skip(1) {
        let new = encrypt(keys, key, &slots)?;
        cache = add(&cache, &shift(&new, position * UNIT));
    }
    // q_i meets k_i at X^((d - 1) P s + j s), whatever i is: there they add up to q . k_j.
    let product = multiply(&query, &cache, MODULUS, &keys.evaluation);
    let first = (WIDTH - 1) * POSITIONS * UNIT;
    let slots: Vec<usize> = (0..POSITIONS).map(|j| first + j * UNIT).collect();
    decrypt(keys, &product, &slots)?
        .try_into()
        .ok()
        .context("one score a position")
}
// ANCHOR_END: scores

// ANCHOR: mixed
/// All sums of values, weighted by attention, in another.
fn mixed(keys: &Keys) -> Result<Vec<i64>> {
    // Positions and dimensions exchange their roles: weights reversed, at X^((P - 1 - j) d s) ...
    let slots: Vec<usize> = (0..POSITIONS)
        .map(|j| (POSITIONS - 1 - j) * WIDTH * UNIT)
        .collect();
    let weights = encrypt(keys, &WEIGHTS, &slots)?;
    // ... and v_i of position j at X^(j d s + i s).
    let slots: Vec<usize> = (0..WIDTH).map(|i| i * UNIT).collect();
    let mut cache = encrypt(keys, &VALUES[0], &slots)?;
    for (position, value) in VALUES.iter().enumerate().skip(1) {
        let new = encrypt(keys, value, &slots)?;
        cache = add(&cache, &shift(&new, position * WIDTH * UNIT));
    }
    let product = multiply(&weights, &cache, MODULUS, &keys.evaluation);
    let first = (POSITIONS - 1) * WIDTH * UNIT;
    let slots: Vec<usize> = (0..WIDTH).map(|i| first + i * UNIT).collect();
    decrypt(keys, &product, &slots)
}
// ANCHOR_END: mixed

/// One LWE ciphertext a value, as LUTs leave them, then packed.
fn encrypt(keys: &Keys, values: &[i64], slots: &[usize]) -> Result<Packed> {
    let step = u64::MAX / MODULUS + 1; // 1 / t on the torus of 2^64 steps
    let torus: Vec<u64> = values
        .iter()
        .map(|&x| (x as u64).wrapping_mul(step))
        .collect();
    let scalars = keys.secret.encrypt_scalars(&torus);
    Ok(pack_at(&scalars, slots, &keys.evaluation)?)
}

fn decrypt(keys: &Keys, packed: &Packed, slots: &[usize]) -> Result<Vec<i64>> {
    let torus = keys.secret.decrypt_scalars(&extract(packed, slots)?);
    let unit = MODULUS as f64 / 64f64.exp2();
    Ok(torus
        .iter()
        .map(|&x| (x as i64 as f64 * unit).round() as i64)
        .collect())
}

fn dot(a: &[i64], b: &[i64]) -> i64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_right() {
        super::main().expect("it checks them");
    }
}
