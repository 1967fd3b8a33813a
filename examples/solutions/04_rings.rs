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
    // X^16: 16 pixels to the right. X^-16, to the left, is X^(2 * 2048 - 16).
    let (right, left) = (shift(&picture, 16), shift(&picture, 2 * pixels.len() - 16));
    let both = add(&left, &right);
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

    let got = torus::decode(&key.decrypt_packed(&both), BITS);
    println!("times X^-16, plus times X^16:\n{}", draw(&got));
    let bright = |pixels: &[i64]| pixels.iter().filter(|level| **level > 6).count();
    ensure!(
        bright(&got) == 2 * bright(&pixels),
        "not two whole padlocks"
    );
    Ok(())
}
