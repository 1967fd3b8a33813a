//! Solution of lesson 3: two encrypted numbers multiplied by LUTs of one.
//!
//! `cargo run --release --example 03_solution`

use anyhow::{Result, ensure};
use cipherformer_circuit::Precision;
use cipherformer_circuit::graph::{IntMatrix, cell_centre};
use cipherformer_circuit::parameters::FAST_1024;
use cipherformer_examples::keys::Keys;
use cipherformer_examples::torus;
use cipherformer_fhe::{PreparedLut, linear};

fn main() -> Result<()> {
    let Keys { secret, evaluation } = Keys::new(&FAST_1024);

    // x^2 / 4, rounded down, of x from -7 to 7.
    let cells = FAST_1024.bootstrap_polynomial_size;
    let x = |cell| (32.0 * cell_centre(cell, cells)).round() as i64;
    let table: Vec<u64> = (0..cells)
        .map(|cell| torus::encode(x(cell).pow(2) / 4, 5))
        .collect();
    let quarters = PreparedLut::from_tables(vec![table; 2], Precision::Full, &FAST_1024)?;

    println!("a * b, computed under encryption, for a downwards and b across");
    for a in -3..=3i64 {
        for b in -3..=3i64 {
            let numbers = secret.encrypt_scalars(&[a, b].map(|x| torus::encode(x, 5)));
            let sum_and_difference = IntMatrix::new(2, 2, vec![1, 1, 1, -1]).expect("2 x 2");
            let both = linear(&sum_and_difference, &[0.0; 2], &numbers)?;
            let both = quarters.apply(&both, &evaluation, &|_| ())?;
            let difference = IntMatrix::new(1, 2, vec![1, -1]).expect("1 x 2");
            let product = linear(&difference, &[0.0], &both)?;
            let product = torus::decode(&secret.decrypt_scalars(&product), 5)[0];
            ensure!(product == a * b, "{a} * {b} came out as {product}");
            print!("{product:4}");
        }
        println!();
    }
    println!("two LUTs a product");
    Ok(())
}
