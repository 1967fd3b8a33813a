//! Random circuits and clients for the tests.

#![allow(dead_code)] // every test uses its part

pub(crate) mod matrix;
pub(crate) mod slots;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::{
    Block, Circuit, Dense, Description, Embedding, Function, Model, OutputPolicy, ParameterSet,
    Quantized, Vocabulary,
};
use cipherformer_fhe::{EvaluationKey, SecretKey, SeededEvaluationKey};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A client's keys, the evaluation key as the server gets it: through bytes.
pub(crate) struct Client {
    pub(crate) secret: SecretKey,
    pub(crate) evaluation: EvaluationKey,
}

pub(crate) fn client(parameters: &'static ParameterSet) -> Client {
    let secret = SecretKey::generate(parameters);
    let bytes = SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
    let seeded = SeededEvaluationKey::from_bytes(&bytes, parameters).expect("just made");
    let evaluation = EvaluationKey::expand(seeded, parameters);
    Client { secret, evaluation }
}

/// The same keys for all tests of a program: making real ones takes seconds.
pub(crate) fn shared(parameters: &'static ParameterSet) -> &'static Client {
    static CLIENTS: Mutex<BTreeMap<&str, &Client>> = Mutex::new(BTreeMap::new());
    let mut clients = CLIENTS.lock().expect("making keys does not panic");
    let made = clients.entry(parameters.name);
    made.or_insert_with(|| Box::leak(Box::new(client(parameters))))
}

/// Integers in [-limit, limit], one row or column of which has the step 1 / limit.
fn weights(
    rows: usize,
    columns: usize,
    limit: i8,
    outputs: usize,
    random: &mut StdRng,
) -> Quantized {
    let data = (0..rows * columns).map(|_| random.random_range(-limit..=limit));
    Quantized {
        integers: IntMatrix::new(rows, columns, data.collect()).expect("it fits"),
        step: vec![1.0 / f64::from(limit); outputs],
    }
}

/// A circuit of random weights: `entries` features, one hidden layer, two scores.
pub(crate) fn circuit(
    parameters: &ParameterSet,
    entries: usize,
    hidden: usize,
    activation: Function,
    seed: u64,
) -> Arc<Circuit> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut bias =
        |count: usize| -> Vec<f64> { (0..count).map(|_| random.random_range(-0.3..0.3)).collect() };
    let (hidden_bias, score_bias) = (bias(hidden), bias(2));
    let model = Model {
        embedding: Embedding {
            table: weights(entries, hidden, 127, hidden, &mut random),
            bias: hidden_bias,
        },
        blocks: vec![Block {
            activation,
            dense: Dense {
                weights: weights(2, hidden, 7, 2, &mut random),
                bias: score_bias,
            },
        }],
    };
    let features = (0..entries).map(|i| format!("w:w{i}")).collect();
    let description = Description {
        name: "test".to_owned(),
        description: "random weights".to_owned(),
        parameter_set: parameters.name.to_owned(),
        labels: vec!["no".to_owned(), "yes".to_owned()],
        policy: OutputPolicy::Scores,
    };
    let vocabulary = Vocabulary::new(features, 64, 2).expect("distinct words");
    Arc::new(Circuit::new(description, vocabulary, model).expect("a valid circuit"))
}

/// A text of this many random words.
pub(crate) fn text(entries: usize, words: usize, random: &mut StdRng) -> String {
    let words = (0..words).map(|_| format!("w{}", random.random_range(0..entries)));
    words.collect::<Vec<_>>().join(" ")
}

/// Of the standard deviation. Sampling alone accounts for 2 % at 1,000 samples.
pub(crate) const TOLERANCE: f64 = 0.15;

/// Compares the noise in `got` with the predicted variance, and its mean with 0.
pub(crate) fn compare(what: &str, got: &[u64], expected: &[u64], variance: f64) {
    compare_within(TOLERANCE, what, got, expected, variance);
}

/// The same with a tolerance of its own.
pub(crate) fn compare_within(
    tolerance: f64,
    what: &str,
    got: &[u64],
    expected: &[u64],
    variance: f64,
) {
    let mean = compare_spread(tolerance, what, got, expected, variance);
    // Coefficients of one ciphertext share errors: thousands of them are not as many samples.
    let independent = got.len().min(4096) as f64;
    assert!(
        mean.abs() < 6.0 * (variance / independent).sqrt(),
        "{what}: mean {mean:e}"
    );
}

/// Compares the noise in `got` with the predicted variance; returns its mean.
pub(crate) fn compare_spread(
    tolerance: f64,
    what: &str,
    got: &[u64],
    expected: &[u64],
    variance: f64,
) -> f64 {
    assert_eq!(got.len(), expected.len());
    assert!(got.len() >= 1000, "{} samples are too few", got.len());
    let pairs = got.iter().zip(expected);
    let errors: Vec<f64> = pairs.map(|(a, b)| difference(*a, *b)).collect();
    let count = errors.len() as f64;
    let mean = errors.iter().sum::<f64>() / count;
    let measured = (errors.iter().map(|e| e * e).sum::<f64>() / count).sqrt();
    let predicted = variance.sqrt();
    println!(
        "{what}: predicted 2^{:.2}, measured 2^{:.2} ({:+.1} %), {count} samples",
        predicted.log2(),
        measured.log2(),
        100.0 * (measured / predicted - 1.0)
    );
    assert!((measured / predicted - 1.0).abs() < tolerance, "{what}");
    mean
}

/// On the torus, in [-1/2, 1/2).
pub(crate) fn difference(a: u64, b: u64) -> f64 {
    a.wrapping_sub(b) as i64 as f64 * (-64f64).exp2()
}

/// On the torus, in [0, 1/2].
pub(crate) fn distance(a: u64, b: u64) -> f64 {
    difference(a, b).abs()
}

/// The values with Gaussian noise of this standard deviation on top.
pub(crate) fn noisy(values: &[u64], std: f64, random: &mut StdRng) -> Vec<u64> {
    let mut gaussian = || {
        let sum: f64 = (0..12).map(|_| random.random::<f64>()).sum();
        ((sum - 6.0) * std * 64f64.exp2()) as i64 as u64
    };
    let values = values.iter();
    values.map(|x| x.wrapping_add(gaussian())).collect()
}

pub(crate) fn random_torus(count: usize, seed: u64) -> Vec<u64> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..count).map(|_| random.random()).collect()
}
