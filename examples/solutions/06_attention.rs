//! Solution of lesson 6: a norm. An encrypted vector is divided by the root of the mean of its squares.
//!
//! `cargo run --release --example 06_solution`

use anyhow::{Context, Result, ensure};
use cipherformer_circuit::Function;
use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::parameters::PRECISE_1024;
use cipherformer_examples::by_hand::cell;
use cipherformer_examples::keys::Keys;
use cipherformer_fhe::{Scalars, linear};

/// Numbers from -4 to 4, in steps of a quarter, fill a LUT's input: 1 is a sixteenth of the torus.
const STEPS: u64 = 64;
const UNIT: f64 = 1.0 / 16.0;
const LEVELS: u32 = 64;
/// The sum of four squares goes from 0 to 64: it ends at a quarter of the torus, where a LUT's input ends.
const SQUARES: f64 = 1.0 / 256.0;
/// What 1 over the root is on the torus; it is 2 at most.
const ROOT: f64 = 1.0 / 256.0;

/// x / sqrt(mean of x^2): LUTs for the squares, one for the root, LUTs for the products.
fn norm(x: &Scalars, by: &Keys) -> Result<Scalars> {
    let squares = by.lut(x, cell(Function::Square, UNIT, SQUARES))?;
    let ones = IntMatrix::new(1, 4, vec![1; 4]).context("one row")?;
    let sum = linear(&ones, &[0.0], &squares)?;
    // The sum is the mean, in a unit four times as large.
    let inverse = Function::InverseSqrt { floor: 0.25 };
    let root = by.lut(&sum, cell(inverse, 4.0 * SQUARES, ROOT))?;
    // A LUT whose table is encrypted multiplies by 4 LEVELS times the input on the torus.
    Ok(by.scaled(x, &root, LEVELS)?)
}

fn main() -> Result<()> {
    let by = Keys::new(&PRECISE_1024);
    for integers in [[4, -8, 12, 2], [-2, 6, 8, -9], [14, 14, -14, 14]] {
        let x = integers.map(|integer| integer as f64 / 4.0);
        let encrypted = norm(&by.encrypt(&integers, STEPS), &by)?;
        let one = 4.0 * f64::from(LEVELS) * UNIT * ROOT;
        let got: Vec<f64> = by.decrypt(&encrypted).iter().map(|y| y / one).collect();
        let root = (x.iter().map(|x| x * x).sum::<f64>() / 4.0).sqrt();
        let clear = x.map(|x| x / root);
        println!("{x:?}: encrypted {got:5.2?}, in the clear {clear:5.2?}");
        let close = got.iter().zip(clear).all(|(a, b)| (a - b).abs() < 0.5);
        ensure!(close, "too far off");
    }
    println!(
        "{} LUTs for a vector of 4, and no product of ciphertexts",
        4 + 1 + 4
    );
    Ok(())
}
