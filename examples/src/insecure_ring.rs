//! Blind rotation on a ring so small that it can be drawn, for lessons and pictures. **No security**: six key bits,
//! and all randomness comes from a number that the caller chooses.
//!
//! Everything that a LUT's blind rotation needs is here, in the simplest form: LWE, RLWE, GGSW, external product, CMUX.
//! What computes for real is in the `fhe` crate. The torus is 32 bits: 2^32 is one turn.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// N: coefficients of a polynomial, cells of a table. X^N = -1, so exponents count modulo 2N.
pub const N: usize = 32;
/// n: bits of the small key, steps of a blind rotation.
pub const KEY_BITS: usize = 6;
/// A decomposition has this many digits ...
const LEVELS: usize = 3;
/// ... of this many bits.
const BASE_LOG: u32 = 8;
/// Noise is uniform in [-2^b, 2^b]: of LWE ciphertexts 2^-12 of the torus, of the ring 2^-28.
const LWE_NOISE_LOG: u32 = 20;
const RING_NOISE_LOG: u32 = 4;

/// Torus elements, or small integers, modulo X^N + 1.
pub type Polynomial = [u32; N];

/// One value under the small key: `body = mask . key + value + noise`.
#[derive(Clone, Debug)]
pub struct Lwe {
    /// Uniform.
    pub mask: [u32; KEY_BITS],
    /// Looks uniform to whoever has no key.
    pub body: u32,
}

/// N values under the ring key: `body = mask * key + values + noise`, as polynomials.
#[derive(Clone, Debug)]
pub struct Rlwe {
    /// Uniform.
    pub mask: Polynomial,
    /// Looks uniform to whoever has no key.
    pub body: Polynomial,
}

/// An encrypted bit that can be multiplied by RLWE ciphertexts: for mask and body a row for every digit.
pub struct Ggsw {
    rows: [[Rlwe; LEVELS]; 2],
}

/// The client: both keys, and where its randomness comes from.
pub struct Client {
    small: [u32; KEY_BITS],
    ring: Polynomial,
    random: StdRng,
}

impl Client {
    /// Keys that are the same for the same seed: no secret at all.
    pub fn insecure_from_seed(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        Self {
            small: std::array::from_fn(|_| random.random_range(0..2)),
            ring: std::array::from_fn(|_| random.random_range(0..2)),
            random,
        }
    }

    /// The small key, to be looked at in lessons.
    pub fn small_key(&self) -> [u32; KEY_BITS] {
        self.small
    }

    /// Encrypts a torus element under the small key.
    pub fn encrypt(&mut self, value: u32) -> Lwe {
        let mask: [u32; KEY_BITS] = self.random.random();
        let noise = noise(LWE_NOISE_LOG, &mut self.random);
        let body = dot(&mask, &self.small)
            .wrapping_add(value)
            .wrapping_add(noise);
        Lwe { mask, body }
    }

    /// The phase: value plus noise.
    pub fn phase(&self, lwe: &Lwe) -> u32 {
        lwe.body.wrapping_sub(dot(&lwe.mask, &self.small))
    }

    /// The same of all coefficients of a ring ciphertext.
    pub fn ring_phase(&self, rlwe: &Rlwe) -> Polynomial {
        subtract(&rlwe.body, &multiply(&rlwe.mask, &self.ring))
    }

    /// What the server needs for blind rotations: the small key's bits, each encrypted under the ring key.
    pub fn bootstrapping_key(&mut self) -> Vec<Ggsw> {
        let bits = self.small;
        bits.iter().map(|&bit| self.encrypt_bit(bit)).collect()
    }

    fn encrypt_bit(&mut self, bit: u32) -> Ggsw {
        let mut rows: [[Rlwe; LEVELS]; 2] =
            std::array::from_fn(|_| std::array::from_fn(|_| self.encrypt_zero()));
        for level in 0..LEVELS {
            // Digit `level`, counted from the largest, weighs this much of the torus.
            let weight = bit << (32 - BASE_LOG * (level as u32 + 1));
            let [mask_rows, body_rows] = &mut rows;
            mask_rows[level].mask[0] = mask_rows[level].mask[0].wrapping_add(weight);
            body_rows[level].body[0] = body_rows[level].body[0].wrapping_add(weight);
        }
        Ggsw { rows }
    }

    fn encrypt_zero(&mut self) -> Rlwe {
        let mask: Polynomial = self.random.random();
        let noise = std::array::from_fn(|_| noise(RING_NOISE_LOG, &mut self.random));
        let body = add(&multiply(&mask, &self.ring), &noise);
        Rlwe { mask, body }
    }
}

/// One step of a blind rotation.
#[derive(Clone, Debug)]
pub struct Step {
    /// By how many places the accumulator turned left if the bit is 1, modulo 2N.
    pub exponent: usize,
    /// The accumulator after the step.
    pub accumulator: Rlwe,
}

/// Turns a table left by the phase of a ciphertext, without the key: first by its body, then, for each key bit, by
/// that bit times its mask the other way. The first step is the body's; coefficient 0 of the last one is the answer.
pub fn blind_rotation(table: &Polynomial, value: &Lwe, key: &[Ggsw]) -> Vec<Step> {
    let body = modulus_switch(value.body);
    let mut accumulator = Rlwe {
        mask: [0; N],
        body: *table, // in the clear: a mask of zeros
    };
    accumulator = turn_left(&accumulator, body);
    let mut steps = vec![Step {
        exponent: body,
        accumulator: accumulator.clone(),
    }];
    for (bit, &mask) in key.iter().zip(&value.mask) {
        // The phase is body - mask . key: what the body turned too far, the masks turn back.
        let exponent = (2 * N - modulus_switch(mask)) % (2 * N);
        accumulator = cmux(bit, &accumulator, &turn_left(&accumulator, exponent));
        steps.push(Step {
            exponent,
            accumulator: accumulator.clone(),
        });
    }
    steps
}

/// A torus element as one of 2N places on the circle, the nearest.
pub fn modulus_switch(torus: u32) -> usize {
    let places = 2 * N as u64;
    ((u64::from(torus) * places + (1 << 31)) >> 32) as usize % (2 * N)
}

/// `zero` if the encrypted bit is 0, `one` if it is 1, under fresh noise: nobody sees which.
pub fn cmux(bit: &Ggsw, zero: &Rlwe, one: &Rlwe) -> Rlwe {
    let difference = Rlwe {
        mask: subtract(&one.mask, &zero.mask),
        body: subtract(&one.body, &zero.body),
    };
    let chosen = external_product(bit, &difference);
    Rlwe {
        mask: add(&zero.mask, &chosen.mask),
        body: add(&zero.body, &chosen.body),
    }
}

/// Encrypted bit times encrypted polynomial: its digits, which are small, times the bit's rows.
fn external_product(bit: &Ggsw, rlwe: &Rlwe) -> Rlwe {
    let mut product = Rlwe {
        mask: [0; N],
        body: [0; N],
    };
    for (polynomial, rows) in [&rlwe.mask, &rlwe.body].into_iter().zip(&bit.rows) {
        for (digit, row) in digits(polynomial).iter().zip(rows) {
            product.mask = add(&product.mask, &multiply(&row.mask, digit));
            product.body = add(&product.body, &multiply(&row.body, digit));
        }
    }
    product
}

/// Signed digits of every coefficient, the largest first; the bits below the last digit are rounded off.
fn digits(polynomial: &Polynomial) -> [Polynomial; LEVELS] {
    let mut digits = [[0; N]; LEVELS];
    let dropped = 32 - BASE_LOG * LEVELS as u32;
    for (i, &x) in polynomial.iter().enumerate() {
        let mut rest = (x >> dropped) + ((x >> (dropped - 1)) & 1);
        for level in (0..LEVELS).rev() {
            let digit = rest & ((1 << BASE_LOG) - 1);
            let carry = digit >> (BASE_LOG - 1);
            digits[level][i] = digit.wrapping_sub(carry << BASE_LOG);
            rest = (rest >> BASE_LOG) + carry;
        }
    }
    digits
}

/// Times X^-places: what leaves on the left comes back on the right with its sign changed.
pub fn turn_left(rlwe: &Rlwe, places: usize) -> Rlwe {
    Rlwe {
        mask: turned(&rlwe.mask, places),
        body: turned(&rlwe.body, places),
    }
}

/// The same of a polynomial in the clear.
pub fn turned(polynomial: &Polynomial, places: usize) -> Polynomial {
    std::array::from_fn(|i| {
        let from = (i + places) % (2 * N);
        let x = polynomial[from % N];
        if from < N { x } else { x.wrapping_neg() }
    })
}

/// A digit for each coefficient, its three bits below the sign; negative ones hang low.
pub fn draw(polynomial: &Polynomial) -> String {
    let cell = |&x: &u32| match x >> 31 {
        0 => char::from_digit(x >> 28, 10),
        _ => char::from_u32('₀' as u32 + (x.wrapping_neg() >> 28)),
    };
    polynomial.iter().filter_map(cell).collect()
}

/// The product modulo X^N + 1.
fn multiply(a: &Polynomial, b: &Polynomial) -> Polynomial {
    let mut product = [0u32; N];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            let term = x.wrapping_mul(*y);
            let k = (i + j) % N;
            product[k] = match i + j < N {
                true => product[k].wrapping_add(term),
                false => product[k].wrapping_sub(term),
            };
        }
    }
    product
}

fn add(a: &Polynomial, b: &Polynomial) -> Polynomial {
    std::array::from_fn(|i| a[i].wrapping_add(b[i]))
}

fn subtract(a: &Polynomial, b: &Polynomial) -> Polynomial {
    std::array::from_fn(|i| a[i].wrapping_sub(b[i]))
}

fn dot(mask: &[u32], key: &[u32]) -> u32 {
    let terms = mask.iter().zip(key);
    terms.fold(0, |sum: u32, (a, s)| sum.wrapping_add(a.wrapping_mul(*s)))
}

/// Uniform in [-2^log, 2^log].
fn noise(log: u32, random: &mut StdRng) -> u32 {
    let bound = 1i32 << log;
    random.random_range(-bound..=bound) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On the torus, as a fraction of it.
    fn distance(a: u32, b: u32) -> f64 {
        (f64::from(a.wrapping_sub(b) as i32) / 32f64.exp2()).abs()
    }

    #[test]
    fn decryption_leaves_noise_alone() {
        let mut client = Client::insecure_from_seed(1);
        for value in [0, 1 << 28, u32::MAX / 3] {
            let lwe = client.encrypt(value);
            assert!(distance(client.phase(&lwe), value) <= (-12f64).exp2());
        }
    }

    #[test]
    fn digits_add_up_to_the_rounded_value() {
        let mut random = StdRng::seed_from_u64(2);
        let polynomial: Polynomial = random.random();
        let digits = digits(&polynomial);
        for (i, &x) in polynomial.iter().enumerate() {
            let sum = (0..LEVELS).fold(0u32, |sum, level| {
                let digit = digits[level][i];
                assert!((-128..128).contains(&(digit as i32)));
                sum.wrapping_add(digit << (24 - 8 * level))
            });
            assert!(distance(sum, x) <= (-25f64).exp2());
        }
    }

    /// Every accumulator is the table turned by what the key bits so far say, and at the end by the phase.
    #[test]
    fn every_step_turns_the_table_by_its_bit() {
        for seed in 0..40 {
            let mut client = Client::insecure_from_seed(seed);
            let key = client.bootstrapping_key();
            let table: Polynomial = client.random.random();
            let value = client.random.random();
            let lwe = client.encrypt(value);
            let steps = blind_rotation(&table, &lwe, &key);
            assert_eq!(steps.len(), KEY_BITS + 1);
            let bits = std::iter::once(1).chain(client.small_key());
            let mut places = 0;
            for (step, bit) in steps.iter().zip(bits) {
                places = (places + step.exponent * bit as usize) % (2 * N);
                let got = client.ring_phase(&step.accumulator);
                let expected = turned(&table, places);
                let errors = got.iter().zip(&expected).map(|(a, b)| distance(*a, *b));
                assert!(errors.fold(0.0, f64::max) < (-14f64).exp2(), "seed {seed}");
            }
            // Rounding n + 1 numbers moves the phase by half a place each at most.
            let off = (places + 2 * N - modulus_switch(value)) % (2 * N);
            let off = off.min(2 * N - off);
            assert!(off <= KEY_BITS / 2 + 2, "seed {seed}: {off} places");
        }
    }

    #[test]
    fn every_coefficient_is_drawn() {
        let mut polynomial = [0; N];
        polynomial[1] = 7 << 28;
        polynomial[2] = (7u32 << 28).wrapping_neg();
        polynomial[3] = 1 << 31;
        assert!(draw(&polynomial).starts_with("07₇₈"));
        assert_eq!(draw(&polynomial).chars().count(), N);
    }

    #[test]
    fn a_whole_turn_is_nothing_and_half_a_turn_a_sign() {
        let polynomial: Polynomial = std::array::from_fn(|i| i as u32);
        assert_eq!(turned(&polynomial, 0), polynomial);
        assert_eq!(turned(&polynomial, N), polynomial.map(u32::wrapping_neg));
        assert_eq!(turned(&turned(&polynomial, 2 * N - 5), 5), polynomial);
    }
}
