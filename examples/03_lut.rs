//! Lesson 3: any function of one encrypted number, by turning a table that nobody needs to read.
//!
//! `cargo run --release --example 03_lut`

use std::time::Instant;

use anyhow::{Result, ensure};
use cipherformer_circuit::Precision;
use cipherformer_circuit::graph::cell_centre;
use cipherformer_circuit::parameters::FAST_1024;
use cipherformer_examples::insecure_ring::{Client, KEY_BITS, N, Polynomial, blind_rotation, draw};
use cipherformer_examples::keys::Keys;
use cipherformer_examples::torus;
use cipherformer_fhe::PreparedLut;

// ANCHOR: table
/// f(0) to f(7): any numbers will do.
const F: [u32; 8] = [3, 1, 4, 1, 5, 0, 2, 6];

/// Four cells for each x, all with f(x), as 2 f(x) + 1 of 32: above 0, and negative ones are below.
fn table() -> Polynomial {
    std::array::from_fn(|cell| (2 * F[cell / 4] + 1) << 27)
}

/// x as the middle of its four cells, of 64 around the torus.
fn encode(x: u32) -> u32 {
    (8 * x + 3) << 25
}
// ANCHOR_END: table

fn main() -> Result<()> {
    drawn()?;
    for_real()
}

// ANCHOR: drawn
fn drawn() -> Result<()> {
    let mut client = Client::insecure_from_seed(36);
    let key = client.bootstrapping_key();
    let value = client.encrypt(encode(6));
    println!("a table of {N} cells and a key of {KEY_BITS} bits: f(6) is looked up (no security!)");
    println!("{:28}{}", "table", draw(&table()));
    let steps = blind_rotation(&table(), &value, &key);
    // The body's turn is always made, a mask's only if its key bit is 1.
    let bits = std::iter::once(1).chain(client.small_key());
    for (step, bit) in steps.iter().zip(bits) {
        let opened = draw(&client.ring_phase(&step.accumulator));
        println!("turned left by {bit} * {:2}       {opened}", step.exponent);
    }
    let seen = draw(&steps[KEY_BITS].accumulator.body);
    println!("{:28}{seen}", "what the server sees");
    for (x, f) in F.iter().enumerate() {
        let steps = blind_rotation(&table(), &client.encrypt(encode(x as u32)), &key);
        let got = client.ring_phase(&steps[KEY_BITS].accumulator)[0] >> 28;
        print!("f({x}) = {got}  ");
        ensure!(got == *f, "f({x}) is {f}");
    }
    println!();
    Ok(())
}
// ANCHOR_END: drawn

// ANCHOR: real
fn for_real() -> Result<()> {
    let Keys { secret, evaluation } = Keys::new(&FAST_1024);
    let (cells, bits) = (FAST_1024.bootstrap_polynomial_size, FAST_1024.lwe_dimension);
    println!(
        "\nfor real: {cells} cells, {bits} key bits; x from -7 to 7 is at x / 32 of the torus"
    );
    let numbers: Vec<i64> = (-7..=7).collect();
    let on_torus: Vec<u64> = numbers.iter().map(|&x| torus::encode(x, 5)).collect();
    let encrypted = secret.encrypt_scalars(&on_torus);
    type Function = fn(i64) -> i64;
    let functions: [(&str, Function); 4] = [
        ("max(x, 0)", |x| x.max(0)),
        ("x * x / 4", |x| x * x / 4),
        ("is x prime?", |x| [2, 3, 5, 7].contains(&x).into()),
        ("f(|x|)", |x| F[x.unsigned_abs() as usize].into()),
    ];
    let start = Instant::now();
    for (name, f) in functions {
        let x = |cell| (32.0 * cell_centre(cell, cells)).round().clamp(-7.0, 7.0) as i64;
        let table = (0..cells)
            .map(|cell| torus::encode(f(x(cell)), 5))
            .collect();
        let lut = PreparedLut::from_tables(vec![table; 15], Precision::Full, &FAST_1024)?;
        let outputs = lut.apply(&encrypted, &evaluation, &|_| ())?; // needs no secret key
        let got = torus::decode(&secret.decrypt_scalars(&outputs), 5);
        println!("  {name:12} {got:?}");
        let expected: Vec<i64> = numbers.iter().map(|&x| f(x)).collect();
        ensure!(got == expected, "{name} is wrong");
    }
    println!(
        "  {:.1?} a LUT, whatever the function",
        start.elapsed() / 60
    );
    Ok(())
}
// ANCHOR_END: real
