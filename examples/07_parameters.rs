//! Lesson 7: parameters, three sliders. Each is moved alone; security, noise and cost follow.
//!
//! `cargo run --release --example 07_parameters`

use std::path::Path;

use anyhow::{Context, Result, ensure};
use cipherformer_circuit::parameters::{Decomposition, FAST_1024, TUniform, security, tuned};
use cipherformer_circuit::{Circuit, ParameterSet, Precision, cost::REFERENCE};

// ANCHOR: sliders
/// Where the sliders stand before one of them is moved.
const START: ParameterSet = FAST_1024;

/// The small key's bits, and the noise that hides them, in units of 2^-64 of the torus.
fn key(bits: usize, noise: u32) -> ParameterSet {
    let mut set = START;
    set.lwe_dimension = bits;
    set.lwe_noise = TUniform { bound_log2: noise };
    set
}

/// The ring that a LUT's table is in: k polynomials of n coefficients.
fn ring(k: usize, n: usize) -> ParameterSet {
    let mut set = START;
    set.bootstrap_glwe_dimension = k;
    set.bootstrap_polynomial_size = n;
    set
}

/// Digits, how many of how many bits: in LUTs, and in packing and products.
fn digits((levels, base_log): (u32, u32), packing: (u32, u32)) -> ParameterSet {
    let mut set = START;
    set.bootstrap = Decomposition { base_log, levels };
    set.coarse_bootstrap.base_log = (24 / base_log).min(levels) * base_log;
    (set.ring_key_switch.levels, set.ring_key_switch.base_log) = packing;
    set
}
// ANCHOR_END: sliders

fn main() -> Result<()> {
    let circuits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../circuits");
    let circuits = [circuits.join("prompt-guard"), circuits.join("names-gpt")];
    let circuits = [Circuit::load(&circuits[0])?, Circuit::load(&circuits[1])?];

    heading("bits of the small key");
    for bits in [705, 756, 807, 858, 909] {
        let secure = show(&format!("{bits}"), &key(bits, 48), &circuits);
        ensure!(secure == (bits >= 807), "the line has moved");
    }
    heading("its noise, and as many bits as that needs");
    for noise in 46..=50 {
        let bits = security::minimal_dimension(TUniform { bound_log2: noise }, START.lwe_block);
        let bits = bits.context("computed")?;
        show(&format!("2^{noise}, {bits}"), &key(bits, noise), &circuits);
    }
    heading("ring");
    for (k, n) in [(4, 512), (2, 1024), (1, 2048)] {
        show(&format!("{k} x {n}"), &ring(k, n), &circuits);
    }
    heading("digits of LUTs; of packing");
    for (a, b) in [(1, 22), (2, 11), (3, 8), (3, 11)] {
        show(
            &format!("{a} x {b}; 3 x 12"),
            &digits((a, b), (3, 12)),
            &circuits,
        );
    }
    show("3 x 11; 7 x 6", &digits((3, 11), (7, 6)), &circuits);
    Ok(())
}

fn heading(slider: &str) {
    println!("\n{slider}");
    println!("               security  noise in  noise out   LUT ms  key MB  guard  names");
}

// ANCHOR: show
/// A set's line. Says whether the set is secure.
fn show(label: &str, set: &ParameterSet, circuits: &[Circuit; 2]) -> bool {
    let secure = security::check(set).is_ok();
    let security = if secure { "128 bits" } else { "too weak" };
    let input = 100.0 * set.lut_input_noise();
    let output = set.lut_output_variance(Precision::Full).log2() / 2.0;
    let milliseconds = 1e3 * set.lut_seconds(Precision::Full, &REFERENCE);
    let megabytes = set.evaluation_key_bytes() as f64 / 1e6;
    print!("{label:<15}{security}  {input:>6.2} %  2^{output:<8.1} ");
    print!("{milliseconds:>7.1} {megabytes:>7.1} ");
    for circuit in circuits {
        let lowered = circuit.with_parameters(&tuned::name(set));
        print!("  {}", if lowered.is_ok() { "runs " } else { "no   " });
    }
    println!();
    secure
}
// ANCHOR_END: show
