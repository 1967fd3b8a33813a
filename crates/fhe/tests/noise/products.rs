//! Packing into slots, and products of two ring ciphertexts.

use cipherformer_circuit::parameters::PRECISE_1024;
use cipherformer_fhe::{add, extract, multiply, shift};
use rand::rngs::StdRng;
use rand::seq::index::sample;
use rand::{RngExt, SeedableRng};

use crate::common::slots::{encrypt, fraction, polynomial};
use crate::common::{compare, random_torus};
use crate::precise;

/// Square roots of the mean energy over many ciphertexts, slots regular and random.
#[test]
fn slot_packing_noise() {
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
            got.extend(precise().secret.decrypt_packed(&packed));
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
    let client = precise();
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
fn product_noise_of_fresh_values() {
    scores(0.0, "product, fresh");
}

#[test]
fn product_noise_of_lut_outputs() {
    scores((-24f64).exp2(), "product, 2^-24");
}
