//! Solution of lesson 9: decrypted values that nobody rounded give the secret key away.
//!
//! `cargo run --release --example 09_solution`

use anyhow::{Result, ensure};
use cipherformer_circuit::parameters::FAST_1024;
use cipherformer_examples::keys::Keys;

/// Bits of the ring key, and how many decrypted values the attacker gets to see.
const BITS: usize = FAST_1024.ring_dimension;
const SHOWN: usize = BITS + 64;
/// What the victim encrypts and shows to nobody.
const SECRETS: [i64; 8] = [5, -3, 7, 2, -6, 0, 4, -1];
/// An equation modulo 2: a bit for each bit of the key, and the right side.
type Equation = [u64; BITS / 64 + 1];

fn main() -> Result<()> {
    let victim = Keys::new(&FAST_1024);
    // All that the attacker has: ciphertexts, which anybody sees, and what they decrypt to.
    let ciphertexts = victim.secret.encrypt_scalars(&[0; SHOWN]);
    let decrypted = victim.secret.decrypt_scalars(&ciphertexts);
    let secret = victim.encrypt(&SECRETS, 16);
    println!("encrypted: {SECRETS:?}");

    for kept_bits in [64, 63, 16] {
        let rounded = decrypted
            .iter()
            .map(|value| value >> (64 - kept_bits) << (64 - kept_bits));
        let equations = ciphertexts
            .as_ref()
            .chunks(BITS + 1)
            .zip(rounded)
            .map(equation);
        let key = solve(equations.collect());
        let opened = secret
            .as_ref()
            .chunks(BITS + 1)
            .map(|ciphertext| open(ciphertext, &key));
        let opened: Vec<i64> = opened.collect();
        println!("values of {kept_bits} bits: a stranger reads {opened:?}");
        ensure!((opened == SECRETS) == (kept_bits == 64), "unexpected");
    }
    Ok(())
}

/// body - sum of mask times key = value, modulo 2^64: its last bits are an equation modulo 2.
fn equation((ciphertext, value): (&[u64], u64)) -> Equation {
    let (body, mask) = ciphertext.split_last().expect("a ciphertext has a body");
    let mut equation = [0; BITS / 64 + 1];
    for (i, coefficient) in mask.iter().enumerate() {
        equation[i / 64] |= (coefficient & 1) << (i % 64);
    }
    equation[BITS / 64] = body.wrapping_sub(value) & 1;
    equation
}

/// Gaussian elimination: the key, a bit an entry.
fn solve(mut equations: Vec<Equation>) -> Vec<u64> {
    for bit in 0..BITS {
        let has = |equation: &Equation| equation[bit / 64] >> (bit % 64) & 1 == 1;
        let Some(pivot) = (bit..SHOWN).find(|&row| has(&equations[row])) else {
            continue;
        };
        equations.swap(bit, pivot);
        let pivot = equations[bit];
        for (row, equation) in equations.iter_mut().enumerate() {
            if row != bit && has(equation) {
                equation
                    .iter_mut()
                    .zip(pivot)
                    .for_each(|(word, other)| *word ^= other);
            }
        }
    }
    equations[..BITS]
        .iter()
        .map(|equation| equation[BITS / 64])
        .collect()
}

/// What a ciphertext says under a key, as an integer over 16.
fn open(ciphertext: &[u64], key: &[u64]) -> i64 {
    let (body, mask) = ciphertext.split_last().expect("a ciphertext has a body");
    let products = mask.iter().zip(key).map(|(a, bit)| a * bit);
    let value = products.fold(*body, u64::wrapping_sub);
    (value.wrapping_add(1 << 59) as i64) >> 60
}
