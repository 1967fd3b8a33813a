//! Packing into slots and products of ring ciphertexts: against plain polynomials on toy parameters, and
//! their noise against the formulas at the real ones.

mod common;

use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::parameters::{INSECURE_PRECISE, INSECURE_TOY, PRECISE_1024};
use cipherformer_fhe::{FheError, Packed, add, extract, multiply, pack_at, shift};
use common::{compare, random_torus, shared};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::index::sample;
use rand::{RngExt, SeedableRng};

/// u / t on the torus.
fn fraction(u: u64, t: u64) -> u64 {
    ((u128::from(u % t) << 64) / u128::from(t)) as u64
}

/// The plain polynomial with these values in these slots.
fn polynomial(size: usize, slots: &[usize], values: &[u64]) -> Vec<u64> {
    let mut out = vec![0; size];
    slots
        .iter()
        .zip(values)
        .for_each(|(&slot, &x)| out[slot] = x);
    out
}

/// u * v modulo X^N + 1 and t.
fn plain_product(u: &[u64], v: &[u64], t: u64) -> Vec<u64> {
    let size = u.len();
    let mut out = vec![0; size];
    for (i, &x) in u.iter().enumerate().filter(|(_, x)| **x != 0) {
        for (j, &y) in v.iter().enumerate() {
            let term = x * y % t;
            let term = if i + j < size { term } else { t - term };
            out[(i + j) % size] = (out[(i + j) % size] + term) % t;
        }
    }
    out
}

/// Encrypts values as scalars, with Gaussian noise of this standard deviation on top, and packs them.
fn encrypt(
    values: &[u64],
    slots: &[usize],
    noise: f64,
    parameters: &'static ParameterSet,
    random: &mut StdRng,
) -> Packed {
    let mut gaussian = || {
        let sum: f64 = (0..12).map(|_| random.random::<f64>()).sum();
        ((sum - 6.0) * noise * 64f64.exp2()) as i64 as u64
    };
    let noisy: Vec<u64> = values.iter().map(|x| x.wrapping_add(gaussian())).collect();
    let client = shared(parameters);
    let scalars = client.secret.encrypt_scalars(&noisy);
    pack_at(&scalars, slots, &client.evaluation).expect("distinct slots")
}

/// The largest distance of two lists of torus elements.
fn distance(got: &[u64], expected: &[u64]) -> f64 {
    let errors = got.iter().zip(expected);
    let errors = errors.map(|(a, b)| (a.wrapping_sub(*b) as i64 as f64 * (-64f64).exp2()).abs());
    errors.fold(0.0, f64::max)
}

fn toys() -> impl Strategy<Value = &'static ParameterSet> {
    prop_oneof![Just(&INSECURE_TOY), Just(&INSECURE_PRECISE)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn values_land_in_their_slots_and_nowhere_else(
        parameters in toys(), count in 1..80usize, seed in any::<u64>(),
    ) {
        let mut random = StdRng::seed_from_u64(seed);
        let size = parameters.ring_dimension;
        let slots = sample(&mut random, size, count).into_vec();
        let values = random_torus(count, seed);
        let packed = encrypt(&values, &slots, 0.0, parameters, &mut random);
        let noise = parameters.packing_variance() + parameters.fresh_variance();
        let got = shared(parameters).secret.decrypt_packed(&packed);
        prop_assert!(distance(&got, &polynomial(size, &slots, &values)) < 8.0 * noise.sqrt());
    }

    #[test]
    fn products_match_plain_polynomials(
        parameters in toys(), counts in (1..40usize, 1..40usize), modulus in 2..=65_536u64,
        seed in any::<u64>(),
    ) {
        let mut random = StdRng::seed_from_u64(seed);
        let size = parameters.ring_dimension;
        let mut operand = |count| {
            let slots = sample(&mut random, size, count).into_vec();
            let values: Vec<u64> = (0..count).map(|_| random.random_range(0..modulus)).collect();
            let torus: Vec<u64> = values.iter().map(|&u| fraction(u, modulus)).collect();
            let packed = encrypt(&torus, &slots, 0.0, parameters, &mut random);
            let energy = parameters.packing_energy(&slots)
                + count as f64 * parameters.fresh_variance();
            (packed, polynomial(size, &slots, &values), energy)
        };
        let (a, u, energy_a) = operand(counts.0);
        let (b, v, energy_b) = operand(counts.1);
        let client = shared(parameters);
        let product = multiply(&a, &b, modulus, &client.evaluation);
        let expected = plain_product(&u, &v, modulus);
        let expected: Vec<u64> = expected.into_iter().map(|x| fraction(x, modulus)).collect();
        let noise = parameters.product_variance(modulus, energy_a, energy_b).sqrt();
        let got = client.secret.decrypt_packed(&product);
        // Where noise fills the torus there is nothing to compare.
        prop_assert!(distance(&got, &expected) < 9.0 * noise || noise > 0.05);
    }

    #[test]
    fn shifts_sums_and_extraction_are_exact(
        parameters in toys(), exponent in 0..2048usize, seed in any::<u64>(),
    ) {
        let mut random = StdRng::seed_from_u64(seed);
        let size = parameters.ring_dimension;
        let mut operand = || {
            let slots = sample(&mut random, size, 5).into_vec();
            encrypt(&random_torus(5, seed), &slots, 0.0, parameters, &mut random)
        };
        let (a, b) = (operand(), operand());
        let secret = &shared(parameters).secret;
        let (plain_a, plain_b) = (secret.decrypt_packed(&a), secret.decrypt_packed(&b));
        let got = secret.decrypt_packed(&add(&a, &shift(&b, exponent)));
        let expected = (0..size).map(|i| {
            let from = (i + 4 * size - exponent) % (2 * size);
            let x = plain_b[from % size];
            plain_a[i].wrapping_add(if from < size { x } else { x.wrapping_neg() })
        });
        let expected: Vec<u64> = expected.collect();
        prop_assert_eq!(&got, &expected);
        let places: Vec<usize> = (0..9).map(|_| random.random_range(0..size)).collect();
        let scalars = extract(&add(&a, &shift(&b, exponent)), &places).expect("below N");
        let picked: Vec<u64> = places.iter().map(|&i| expected[i]).collect();
        prop_assert_eq!(secret.decrypt_scalars(&scalars), picked);
    }
}

#[test]
fn slots_that_do_not_fit_are_errors() {
    let client = shared(&INSECURE_TOY);
    let size = INSECURE_TOY.ring_dimension;
    let values = client.secret.encrypt_scalars(&[0; 3]);
    for slots in [&[0, 1][..], &[0, 1, 1], &[0, 1, size], &[]] {
        let error = pack_at(&values, slots, &client.evaluation).err();
        assert!(matches!(error, Some(FheError::Shape { .. })), "{slots:?}");
    }
    let packed = pack_at(&values, &[0, 1, 2], &client.evaluation).expect("distinct");
    assert!(extract(&packed, &[0, size]).is_err());
}

/// Square roots of the mean energy over many ciphertexts, slots regular and random.
#[test]
fn packing_energy_matches_its_formula() {
    let parameters = &PRECISE_1024;
    let size = parameters.ring_dimension;
    let mut random = StdRng::seed_from_u64(1);
    for slots in [
        (0..8).map(|i| (7 - i) * size / 8).collect(),
        (0..64).map(|i| i * size / 64).collect(),
        sample(&mut random, size, 20).into_vec(),
    ] {
        let (mut got, mut expected) = (Vec::new(), Vec::new());
        for seed in 0..48 * 64 / slots.len().max(16) as u64 {
            let values = random_torus(slots.len(), seed);
            let packed = encrypt(&values, &slots, 0.0, parameters, &mut random);
            got.extend(shared(parameters).secret.decrypt_packed(&packed));
            expected.extend(polynomial(size, &slots, &values));
        }
        let energy =
            parameters.packing_energy(&slots) + slots.len() as f64 * parameters.fresh_variance();
        let what = format!("packing energy, {} slots", slots.len());
        compare(&what, &got, &expected, energy / size as f64);
    }
}

/// A query of 8 values times 16 keys of 8: scores at 7 N / 8 + j N / 128.
fn scores(noise: f64, what: &str) {
    let parameters = &PRECISE_1024;
    let (size, t) = (parameters.ring_dimension, 1 << 9);
    let client = shared(parameters);
    let mut random = StdRng::seed_from_u64(2);
    let (mut got, mut expected) = (Vec::new(), Vec::new());
    let slots: Vec<usize> = (0..8).map(|i| i * size / 8).collect();
    let reversed: Vec<usize> = slots.iter().rev().copied().collect();
    for _ in 0..64 {
        let mut draw = || -> Vec<u64> { (0..8).map(|_| random.random_range(0..t)).collect() };
        let (query, keys): (_, Vec<_>) = (draw(), (0..16).map(|_| draw()).collect());
        let mut pack = |values: &[u64], slots: &[usize]| {
            let torus: Vec<u64> = values.iter().map(|&u| fraction(u, t)).collect();
            encrypt(&torus, slots, noise, parameters, &mut random)
        };
        let query_packed = pack(&query, &reversed);
        let keys_packed = keys
            .iter()
            .zip(0..)
            .map(|(key, j)| shift(&pack(key, &slots), j * size / 128));
        let keys_packed = keys_packed.reduce(|a, b| add(&a, &b)).expect("16 keys");
        let product = multiply(&query_packed, &keys_packed, t, &client.evaluation);
        let places: Vec<usize> = (0..16).map(|j| 7 * size / 8 + j * size / 128).collect();
        let scores = extract(&product, &places).expect("below N");
        got.extend(client.secret.decrypt_scalars(&scores));
        expected.extend(keys.iter().map(|key| {
            let dot: u64 = key.iter().zip(&query).map(|(x, y)| x * y).sum();
            fraction(dot, t)
        }));
    }
    let value = noise * noise + parameters.fresh_variance();
    let energy = parameters.packing_energy(&slots) + 8.0 * value;
    compare(
        what,
        &got,
        &expected,
        parameters.product_variance(t, energy, 16.0 * energy),
    );
}

#[test]
fn products_of_fresh_values() {
    scores(0.0, "product, fresh");
}

#[test]
fn products_of_lut_outputs() {
    scores((-24f64).exp2(), "product, 2^-24");
}
