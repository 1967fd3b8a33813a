//! Solution of lesson 2: adding up many ciphertexts, and one ciphertext many times.
//!
//! `cargo run --release --example 02_solution`

use anyhow::{Result, ensure};
use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::parameters::FAST_1024;
use cipherformer_fhe::{SecretKey, concat, linear, scale};

/// How many ciphertexts are added up.
const TERMS: usize = 100;
/// How many sums noise is measured on.
const SUMS: usize = 500;

fn main() -> Result<()> {
    let key = SecretKey::generate(&FAST_1024);
    let ones = IntMatrix::new(1, TERMS, vec![1; TERMS]).expect("one row");
    let mut different = Vec::new();
    for _ in 0..SUMS {
        let zeros = key.encrypt_scalars(&[0; TERMS]);
        different.push(linear(&ones, &[0.0], &zeros)?);
    }
    let one = key.encrypt_scalars(&[0; SUMS]);
    let same = scale(&one, TERMS as i64);
    let different = concat(&different.iter().collect::<Vec<_>>());

    let noise = |values| spread(&key.decrypt_scalars(values));
    let fresh = FAST_1024.fresh_variance().sqrt();
    println!("noise, compared with that of one fresh ciphertext:");
    let apart = noise(&different) / fresh;
    println!("  a sum of {TERMS} ciphertexts of 0   {apart:.1} times");
    let together = noise(&same) / fresh;
    println!("  {TERMS} times one ciphertext of 0   {together:.1} times");
    ensure!((8.5..11.5).contains(&apart), "not the root");
    ensure!((85.0..115.0).contains(&together), "not the factor");
    let most = (1.0 / 32.0 / 6.0 / fresh).powi(2).log2();
    println!("sums of up to 2^{most:.0} fresh ciphertexts keep noise 6 times below 1/32");
    Ok(())
}

/// The standard deviation around 0, in turns of the torus.
fn spread(phases: &[u64]) -> f64 {
    let square = |x: &u64| (*x as i64 as f64 / 64f64.exp2()).powi(2);
    (phases.iter().map(square).sum::<f64>() / phases.len() as f64).sqrt()
}
