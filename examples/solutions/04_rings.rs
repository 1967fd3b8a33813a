//! Solution of lesson 4: an encrypted picture is moved by somebody who cannot see it.
//!
//! `cargo run --release --example 04_solution`

use anyhow::{Result, ensure};
use cipherformer_circuit::parameters::FAST_1024;
use cipherformer_examples::bitmap::{WIDTH, draw, padlock};
use cipherformer_examples::torus;
use cipherformer_fhe::{SecretKey, add, shift};

/// Grey levels from -32 to 31.
const BITS: u32 = 6;

fn main() -> Result<()> {
    let key = SecretKey::generate(&FAST_1024);
    let pixels = padlock();
    // ANCHOR: encrypt
    let plain: Vec<u64> = pixels.iter().map(|&x| torus::encode(x, BITS)).collect();
    let picture = key.encrypt_packed(&plain);
    // ANCHOR_END: encrypt
    println!(
        "the picture, 2048 pixels in one ciphertext:\n{}",
        draw(&pixels)
    );

    // ANCHOR: move
    let lower = shift(&picture, 4 * WIDTH); // X^256: four rows down
    let twice = add(&shift(&lower, 16), &picture); // and beside itself
    // ANCHOR_END: move
    let got = torus::decode(&key.decrypt_packed(&lower), BITS);
    println!("multiplied by X^256:\n{}", draw(&got));
    let below = got[4 * WIDTH..]
        .iter()
        .eq(&pixels[..pixels.len() - 4 * WIDTH]);
    let wrapped = pixels[pixels.len() - 4 * WIDTH..].iter().map(|x| -x);
    ensure!(below, "the picture did not move");
    ensure!(got[..4 * WIDTH].iter().copied().eq(wrapped), "X^2048 is -1");
    println!(
        "its first rows are the last ones, negated: {:?} ...",
        &got[..4]
    );

    let got = torus::decode(&key.decrypt_packed(&twice), BITS);
    println!("times X^272, plus the picture:\n{}", draw(&got));
    Ok(())
}
