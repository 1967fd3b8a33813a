//! Values on their way in, through linear layers, and out.

use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::parameters::STANDARD_2048;
use cipherformer_circuit::{
    Bag, InputKind, InputLayout, Manifest, OutputKind, OutputLayout, OutputPolicy,
};
use cipherformer_fhe::{EncryptedBag, EncryptedScores, PreparedTable, Scalars, linear, pack};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::common::{compare, distance, random_torus};
use crate::standard;

const N: usize = STANDARD_2048.ring_dimension;

#[test]
fn fresh_noise() {
    let plain = random_torus(2000, 1);
    let got = standard()
        .secret
        .decrypt_scalars(&standard().secret.encrypt_scalars(&plain));
    compare("fresh", &got, &plain, STANDARD_2048.fresh_variance());
}

#[test]
fn linear_noise() {
    let mut random = StdRng::seed_from_u64(2);
    let (inputs, outputs) = (48, 1024);
    let weights: Vec<i8> = (0..inputs * outputs)
        .map(|_| random.random_range(-7..=7))
        .collect();
    let weights = IntMatrix::new(outputs, inputs, weights).expect("it fits");
    // Fresh inputs for every 48 outputs, so that the samples are not all sums of the same errors.
    let (mut got, mut expected) = (Vec::new(), Vec::new());
    let mut squares = 0.0;
    for block in 0..outputs / inputs {
        let rows = (block * inputs..(block + 1) * inputs).flat_map(|row| weights.row(row).to_vec());
        let weights = IntMatrix::new(inputs, inputs, rows.collect()).expect("it fits");
        let plain = random_torus(inputs, block as u64);
        let values = standard().secret.encrypt_scalars(&plain);
        let sums = linear(&weights, &vec![0.0; inputs], &values).expect("it fits");
        got.extend(standard().secret.decrypt_scalars(&sums));
        expected.extend((0..inputs).map(|row| dot(weights.row(row), &plain)));
        squares += weights
            .data()
            .iter()
            .map(|&w| f64::from(w).powi(2))
            .sum::<f64>();
    }
    let variance = squares / got.len() as f64 * STANDARD_2048.fresh_variance();
    compare("linear", &got, &expected, variance);
}

fn dot(weights: &[i8], values: &[u64]) -> u64 {
    weights.iter().zip(values).fold(0, |sum: u64, (&w, &x)| {
        sum.wrapping_add(x.wrapping_mul(i64::from(w) as u64))
    })
}

#[test]
fn lookup_noise() {
    let (entries, width) = (4 * N, 128);
    let mut random = StdRng::seed_from_u64(3);
    let table: Vec<i8> = (0..entries * width).map(|_| random.random()).collect();
    let squares = table.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>();
    let table = IntMatrix::new(entries, width, table).expect("it fits");
    let prepared = PreparedTable::new(&table, 1, &STANDARD_2048).expect("small weights");
    let manifest = manifest(entries);
    let (mut got, mut expected) = (Vec::new(), Vec::new());
    for seed in 0..10 {
        let features = (0..9)
            .map(|i| (i * 7919 + seed * 104_729) % entries)
            .collect();
        let bag = Bag::new(features, 9);
        let request = EncryptedBag::encrypt(&bag, &manifest, &standard().secret).expect("fits");
        let sums = prepared
            .apply(&request.expand(&STANDARD_2048))
            .expect("fits");
        got.extend(standard().secret.decrypt_scalars(&sums));
        let weight = ((manifest.input.scale * bag.weight()) * 64f64.exp2()) as i64;
        expected.extend((0..width).map(|column| {
            let column: Vec<i8> = table.column(column).collect();
            let sum: i64 = bag.features().iter().map(|&f| i64::from(column[f])).sum();
            sum.wrapping_mul(weight) as u64
        }));
    }
    let variance = squares / width as f64 * STANDARD_2048.request_variance();
    compare("lookup", &got, &expected, variance);
}

fn manifest(entries: usize) -> Manifest {
    Manifest {
        format: 1,
        name: "test".to_owned(),
        description: String::new(),
        digest: String::new(),
        parameter_set: STANDARD_2048.name.to_owned(),
        input: InputLayout {
            kind: InputKind::Bag,
            context: 1,
            entries,
            max_features: 16,
            min_count: 1,
            scale: 0.0015,
            vocabulary_sha256: String::new(),
        },
        output: OutputLayout {
            kind: OutputKind::Scores,
            labels: vec!["a".to_owned()],
            scale: vec![1.0],
            policy: OutputPolicy::Scores,
            noise: 1e-4,
        },
    }
}

#[test]
fn packing_noise() {
    let (mut got, mut expected) = (Vec::new(), Vec::new());
    for seed in 0..64 {
        let plain = random_torus(64, seed);
        let values: Scalars = standard().secret.encrypt_scalars(&plain);
        let packed = pack(&values, &standard().evaluation).expect("at most N");
        let all = standard().secret.decrypt_packed(&packed);
        got.extend(all.iter().step_by(N / 64));
        expected.extend(plain);
    }
    let variance = STANDARD_2048.packing_variance() + STANDARD_2048.fresh_variance();
    compare("packing", &got, &expected, variance);
}

/// The coefficients between packed values must be empty, or later products would pick them up.
#[test]
fn packing_noise_is_all_that_other_coefficients_hold() {
    let plain = random_torus(3, 7);
    let values = standard().secret.encrypt_scalars(&plain);
    let packed = pack(&values, &standard().evaluation).expect("at most N");
    let all = standard().secret.decrypt_packed(&packed);
    let std = STANDARD_2048.packing_variance().sqrt();
    for (i, &x) in all.iter().enumerate() {
        if i % (N / 4) != 0 || i == 3 * N / 4 {
            let x = distance(x, 0);
            assert!(x < 8.0 * std, "coefficient {i} holds {x:e}");
        }
    }
}

/// Two values a response, as circuits send them: rounding errors within one ciphertext are
/// correlated, as they all meet the same key.
#[test]
fn response_noise() {
    let (mut got, mut expected) = (Vec::new(), Vec::new());
    for seed in 0..600 {
        let plain = random_torus(2, seed);
        let values = standard().secret.encrypt_scalars(&plain);
        let packed = pack(&values, &standard().evaluation).expect("at most N");
        let response = EncryptedScores::compress(packed, plain.len(), &STANDARD_2048);
        let scores = response
            .decrypt(&standard().secret)
            .expect("same parameters");
        got.extend(scores.iter().map(|x| (x * 64f64.exp2()) as i64 as u64));
        expected.extend(plain);
    }
    let variance = STANDARD_2048.packing_variance()
        + STANDARD_2048.response_variance()
        + STANDARD_2048.fresh_variance();
    compare("response", &got, &expected, variance);
}
