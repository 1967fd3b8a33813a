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
/// What 1 is on the torus in the end: the largest of four normalised numbers is 2.
const OUT: f64 = 1.0 / 8.0;

/// x / sqrt(mean of x^2): LUTs for the squares, one for the root, LUTs for the products.
fn norm(x: &Scalars, by: &Keys) -> Result<Scalars> {
    // The mean of squares goes from 0 to 16; with 8 taken off, it fills the root's LUT.
    let mean_unit = 0.5 / 16.0;
    let squares = by.lut(x, cell(Function::Square, UNIT, mean_unit / 4.0))?;
    let ones = IntMatrix::new(1, 4, vec![1; 4]).context("one row")?;
    let mean = linear(&ones, &[-8.0 * mean_unit], &squares)?;
    // A LUT whose table is encrypted multiplies by 4 LEVELS times the input on the torus.
    let scale = OUT / (4.0 * f64::from(LEVELS) * UNIT);
    let mut root = cell(Function::InverseSqrt { floor: 0.5 }, mean_unit, scale);
    root.input_bias = 8.0;
    let root = by.lut(&mean, root)?;
    Ok(by.scaled(x, &root, LEVELS)?)
}

fn main() -> Result<()> {
    let by = Keys::new(&PRECISE_1024);
    for integers in [[4, -8, 12, 2], [-1, 3, 5, -6], [14, 14, -14, 14]] {
        let x = integers.map(|integer| integer as f64 / 4.0);
        let encrypted = norm(&by.encrypt(&integers, STEPS), &by)?;
        let got: Vec<f64> = by.decrypt(&encrypted).iter().map(|y| y / OUT).collect();
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
