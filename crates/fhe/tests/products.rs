//! Packing into slots and products of ring ciphertexts: against plain polynomials on toy parameters.

mod common;

use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::parameters::{INSECURE_PRECISE, INSECURE_TOY};
use cipherformer_fhe::{FheError, add, extract, multiply, pack_at, shift};
use common::slots::{encrypt, fraction, polynomial};
use common::{distance, random_torus, shared};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::index::sample;
use rand::{RngExt, SeedableRng};

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

fn largest_distance(got: &[u64], expected: &[u64]) -> f64 {
    let pairs = got.iter().zip(expected);
    pairs.map(|(a, b)| distance(*a, *b)).fold(0.0, f64::max)
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
        prop_assert!(largest_distance(&got, &polynomial(size, &slots, &values)) < 8.0 * noise.sqrt());
    }

    #[test]
    fn products_match_plain_polynomials(
        parameters in toys(), counts in (1..40usize, 1..40usize), seed in any::<u64>(),
    ) {
        let mut random = StdRng::seed_from_u64(seed);
        let size = parameters.ring_dimension;
        let slots = [counts.0, counts.1].map(|count| sample(&mut random, size, count).into_vec());
        let energies = slots.each_ref().map(|slots| {
            parameters.packing_energy(slots) + slots.len() as f64 * parameters.fresh_variance()
        });
        let noise = |modulus| parameters.product_variance(modulus, energies[0], energies[1]).sqrt();
        // Beyond, noise fills the torus, and there is nothing to compare.
        let largest = (2..=65_536).rev().find(|&modulus| 9.0 * noise(modulus) < 0.25);
        let modulus = random.random_range(2..=largest.expect("toys can multiply"));
        let [(a, u), (b, v)] = slots.map(|slots| {
            let values: Vec<u64> = slots.iter().map(|_| random.random_range(0..modulus)).collect();
            let torus: Vec<u64> = values.iter().map(|&u| fraction(u, modulus)).collect();
            let packed = encrypt(&torus, &slots, 0.0, parameters, &mut random);
            (packed, polynomial(size, &slots, &values))
        });
        let client = shared(parameters);
        let product = multiply(&a, &b, modulus, &client.evaluation);
        let expected = plain_product(&u, &v, modulus);
        let expected: Vec<u64> = expected.into_iter().map(|x| fraction(x, modulus)).collect();
        let got = client.secret.decrypt_packed(&product);
        prop_assert!(largest_distance(&got, &expected) < 9.0 * noise(modulus));
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
