//! Lesson 6: softmax attention over encrypted positions, one head of width 4, and its KV cache.
//!
//! `cargo run --release --example 06_attention`

use anyhow::{Result, ensure};
use cipherformer_circuit::Function;
use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::parameters::PRECISE_1024;
use cipherformer_examples::by_hand::cell;
use cipherformer_examples::keys::Keys;
use cipherformer_fhe::{Packed, Scalars, add, extract, linear, multiply, pack_at};

/// d, the head's width, and P, how many positions there is room for.
const D: usize = 4;
const P: usize = 4;
/// t: products are of integers over it. Queries times keys, exponentials times values.
const SCORES: u64 = 64;
const MIX: u64 = 1024;
const QUERIES: [[i64; D]; P] = [[3, -1, 2, 0], [1, 1, -2, 3], [-3, 2, 0, 1], [0, 3, 1, -2]];
const KEYS: [[i64; D]; P] = [[1, 0, 2, 1], [-2, 3, 0, 1], [0, 1, -3, 2], [2, 2, 2, 2]];
const VALUES: [[i64; D]; P] = [[1, 2, 3, 4], [4, 3, 2, 1], [-4, 0, 4, 0], [0, -2, 0, 2]];

// ANCHOR: boxes
/// Which of D * P boxes of a ring ciphertext each value is in.
fn boxes(count: usize, place: impl Fn(usize) -> usize) -> Vec<usize> {
    let distance = PRECISE_1024.ring_dimension / (D * P);
    (0..count).map(|i| place(i) * distance).collect()
}

/// Adds what is new to a cache: its boxes are still empty there.
fn join(cache: &mut Option<Packed>, new: Packed) -> &Packed {
    let sum = cache.take().map(|old| add(&old, &new));
    cache.insert(sum.unwrap_or(new))
}
// ANCHOR_END: boxes

/// Attention of position j over all up to it. Whoever does this has no secret key.
fn attend(
    j: usize,
    [query, key, value]: [Scalars; 3],
    [keys, values]: &mut [Option<Packed>; 2],
    by: &Keys,
) -> Result<Scalars> {
    let packed = |values: &Scalars, boxes: Vec<usize>| pack_at(values, &boxes, &by.evaluation);
    // ANCHOR: scores
    let query = packed(&query, boxes(D, |i| (D - 1 - i) * P))?; // reversed
    let keys = join(keys, packed(&key, boxes(D, |i| i * P + j))?);
    let product = multiply(&query, keys, SCORES, &by.evaluation);
    let scores = extract(&product, &boxes(j + 1, |j| (D - 1) * P + j))?;
    // ANCHOR_END: scores

    // ANCHOR: softmax
    let (cap, gain) = (2.0, 12.0 / (j + 1) as f64);
    let exp = Function::CappedExp { cap, gain };
    let mut exp = cell(exp, 4.0 / SCORES as f64, 1.0 / MIX as f64); // of score / 4
    exp.rounded = true; // to integers: they are to be multiplied
    let weights = by.lut(&scores, exp)?;
    let eight = IntMatrix::new(1, j + 1, vec![8; j + 1]).expect("one row");
    let unit = 8.0 / MIX as f64; // sums from 0 to 64 fill the next LUT: half the torus
    let sum = linear(&eight, &[-32.0 * unit], &weights)?;
    let mut inverse = cell(Function::Reciprocal { floor: 1.0 }, unit, 0.25);
    inverse.input_bias = 32.0;
    let inverse = by.lut(&sum, inverse)?;
    // ANCHOR_END: softmax

    // ANCHOR: mix
    let weights = packed(&weights, boxes(j + 1, |j| (P - 1 - j) * D))?; // reversed
    let values = join(values, packed(&value, boxes(D, |i| j * D + i))?);
    let product = multiply(&weights, values, MIX, &by.evaluation);
    let mixed = extract(&product, &boxes(D, |i| (P - 1) * D + i))?;
    Ok(by.scaled(&mixed, &inverse, 64)?)
    // ANCHOR_END: mix
}

/// The same in the clear.
fn expected(j: usize) -> [f64; D] {
    let dot = |key: [i64; D]| (0..D).map(|i| QUERIES[j][i] * key[i]).sum::<i64>() as f64;
    let weights = KEYS.map(|key| (2.0 * (dot(key) / 4.0 / 2.0).tanh()).exp());
    let sum: f64 = weights[..=j].iter().sum();
    let part = |i: usize, j: usize| weights[j] / sum * VALUES[j][i] as f64;
    std::array::from_fn(|i| (0..=j).map(|j| part(i, j)).sum())
}

fn main() -> Result<()> {
    let by = Keys::new(&PRECISE_1024);
    let mut cache = [None, None];
    for j in 0..P {
        let inputs = [(QUERIES[j], SCORES), (KEYS[j], SCORES), (VALUES[j], MIX)];
        let inputs = inputs.map(|(integers, t)| by.encrypt(&integers, t));
        let mean = by.decrypt(&attend(j, inputs, &mut cache, &by)?);
        let mean: Vec<f64> = mean.iter().map(|x| 16.0 * x).collect();
        let clear = expected(j);
        println!("position {j}: encrypted {mean:5.2?}, in the clear {clear:5.2?}");
        let close = mean.iter().zip(clear).all(|(got, x)| (got - x).abs() < 1.0);
        ensure!(close, "too far off");
    }
    Ok(())
}
