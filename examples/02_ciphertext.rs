//! Lesson 2: what a ciphertext is, what can be done with it, and what breaks it.
//!
//! `cargo run --release --example 02_ciphertext`

use anyhow::{Result, ensure};
use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::parameters::FAST_1024;
use cipherformer_examples::insecure_ring;
use cipherformer_fhe::{SecretKey, linear, scale};

/// How many ciphertexts noise is measured on.
const COPIES: usize = 1000;

fn main() -> Result<()> {
    let key = SecretKey::generate(&FAST_1024);
    by_hand()?;
    for_real(&key);
    arithmetic(&key)?;
    too_much_noise(&key)
}

// ANCHOR: encode
/// Sixteen numbers on the torus, a sixteenth of it apart. The torus has 2^64 steps.
fn encode(number: i64) -> u64 {
    (number as u64) << 60
}

/// The nearest of the sixteen.
fn decode(phase: u64) -> i64 {
    (phase.wrapping_add(1 << 59) >> 60) as i64
}
// ANCHOR_END: encode

fn by_hand() -> Result<()> {
    let mut client = insecure_ring::Client::insecure_from_seed(29);
    let (key, lwe) = (client.small_key(), client.encrypt(5 << 28));
    let phase = client.phase(&lwe);
    let turn = |x: u32| f64::from(x) / 32f64.exp2();
    let [product, body, opened] = [lwe.body.wrapping_sub(phase), lwe.body, phase].map(turn);
    println!("by hand: the number 5 as 5/16 = 0.3125, under a key of six bits (no security!)");
    println!("  key                {key:?}");
    println!("  mask               {:.4?}", lwe.mask.map(turn));
    println!("  mask times key     {product:.4}  (modulo 1, like all of this)");
    println!("  body               {body:.4}  = mask times key + 0.3125 + noise");
    println!("  body less product  {opened:.4}  of which the nearest sixteenth is 5");
    ensure!(decode(u64::from(phase) << 32) == 5, "too much noise");
    Ok(())
}

// ANCHOR: real
fn for_real(key: &SecretKey) {
    let bits = FAST_1024.ring_dimension;
    println!("\nfor real: 5, encrypted twice under the same key of {bits} bits");
    let fives = key.encrypt_scalars(&[encode(5), encode(5)]);
    for five in fives.as_ref().chunks(bits + 1) {
        let (first, second, body) = (five[0], five[1], five[bits]);
        println!("  mask {first:016x} {second:016x} … body {body:016x}");
    }
    let measured = spread(&key.decrypt_scalars(&key.encrypt_scalars(&[0; COPIES]))).log2();
    let predicted = FAST_1024.fresh_variance().sqrt().log2();
    println!("  its noise: predicted 2^{predicted:.1} of the torus, measured 2^{measured:.1}");
}
// ANCHOR_END: real

// ANCHOR: arithmetic
fn arithmetic(key: &SecretKey) -> Result<()> {
    let numbers = key.encrypt_scalars(&[encode(3), encode(4)]);
    let weights = IntMatrix::new(3, 2, vec![1, 1, 2, 1, 3, -1]).expect("three rows of two");
    let phases = key.decrypt_scalars(&linear(&weights, &[0.0; 3], &numbers)?);
    let sums: Vec<i64> = phases.into_iter().map(decode).collect();
    println!("\narithmetic without a key: 3 + 4, 2 * 3 + 4, 3 * 3 - 4\n  {sums:?}");
    ensure!(sums == [7, 10, 5]);
    Ok(())
}
// ANCHOR_END: arithmetic

// ANCHOR: noise
fn too_much_noise(key: &SecretKey) -> Result<()> {
    println!("\nan encryption of 0, times 70, and again: 0 is lost when noise passes 1/32 = 2^-5");
    println!("  factors  predicted  measured  right");
    let mut zeros = key.encrypt_scalars(&[0; COPIES]);
    for factors in 0..9 {
        let phases = key.decrypt_scalars(&zeros);
        let right = phases.iter().filter(|phase| decode(**phase) == 0).count();
        let predicted = FAST_1024.fresh_variance().sqrt() * 70f64.powi(factors);
        let (log, measured) = (predicted.log2(), spread(&phases).log2());
        println!("  {factors}        2^{log:<7.1}  2^{measured:<6.1}  {right} of {COPIES}");
        ensure!(right == COPIES || predicted > 1.0 / 320.0, "too early");
        zeros = scale(&zeros, 70);
    }
    Ok(())
}
// ANCHOR_END: noise

/// The standard deviation around 0, in turns of the torus.
fn spread(phases: &[u64]) -> f64 {
    let square = |x: &u64| (*x as i64 as f64 / 64f64.exp2()).powi(2);
    (phases.iter().map(square).sum::<f64>() / phases.len() as f64).sqrt()
}
