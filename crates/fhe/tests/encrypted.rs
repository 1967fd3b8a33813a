//! The encrypted evaluator against the reference, on random circuits.

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cipherformer_circuit::parameters::{INSECURE_TOY, STANDARD_2048};
use cipherformer_circuit::{Circuit, Function, Observer, ParameterSet, Plain, Progress, evaluate};
use cipherformer_fhe::{
    Counters, Encrypted, EncryptedBag, EncryptedScores, FheError, PreparedCircuit,
};
use common::{Client, circuit, client, text};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Encrypts, evaluates and decrypts, every message going through bytes.
fn round_trip(prepared: &PreparedCircuit, client: &Client, text: &str) -> (Vec<f64>, Counters) {
    let circuit = prepared.circuit();
    let (manifest, parameters) = (circuit.manifest(), circuit.parameters());
    let bag = circuit.vocabulary().bag(text);
    let request = EncryptedBag::encrypt(&bag, manifest, &client.secret).expect("fits");
    let request = EncryptedBag::from_bytes(&request.to_bytes(), manifest.input.entries, parameters)
        .expect("just made");
    let mut engine = Encrypted::new(prepared, &client.evaluation).expect("same parameters");
    let response = evaluate(circuit, &mut engine, &request, &()).expect("valid input");
    let count = manifest.output.labels.len();
    let response =
        EncryptedScores::from_bytes(&response.to_bytes(), count, parameters).expect("just made");
    let scores = response.decrypt(&client.secret).expect("same parameters");
    (scores, engine.counters())
}

/// Differences between encrypted and reference scores, in standard deviations of what the simulation
/// says the difference will be.
fn deviations(circuit: &Circuit, scores: &[f64], text: &str) -> Vec<f64> {
    const RUNS: u64 = 2000;
    let bag = circuit.vocabulary().bag(text);
    let reference = evaluate(circuit, &mut Plain::reference(), &bag, &()).expect("valid input");
    let mut squares = vec![0.0; scores.len()];
    for seed in 0..RUNS {
        let mut simulate = Plain::simulate(seed);
        let noisy = evaluate(circuit, &mut simulate, &bag, &()).expect("valid input");
        for ((square, noisy), exact) in squares.iter_mut().zip(&noisy).zip(&reference) {
            *square += (noisy - exact).powi(2) / RUNS as f64;
        }
    }
    let compared = scores.iter().zip(&reference).zip(&squares);
    compared
        .map(|((score, reference), square)| (score - reference) / square.sqrt())
        .collect()
}

fn check(parameters: &'static ParameterSet, hidden: usize, activation: Function, texts: usize) {
    let entries = 2 * parameters.ring_dimension + 100;
    let circuit = circuit(parameters, entries, hidden, activation, 7);
    let prepared = PreparedCircuit::new(circuit).expect("small weights");
    let client = client(parameters);
    let mut random = StdRng::seed_from_u64(1);
    let expected = Counters {
        luts: hidden,
        ring_products: 3 * hidden,
    };
    let (mut squares, mut count) = (0.0, 0.0);
    for words in 0..texts {
        let text = text(entries, words, &mut random);
        let (scores, counters) = round_trip(&prepared, &client, &text);
        assert_eq!(counters, expected);
        for deviation in deviations(prepared.circuit(), &scores, &text) {
            assert!(
                deviation.abs() < 7.0,
                "{words} words: {deviation} deviations"
            );
            squares += deviation * deviation;
            count += 1.0;
        }
    }
    // Not only small, but as large as predicted: a bound that nothing reaches would hide errors.
    let spread = (squares / count).sqrt();
    assert!(
        (0.4..1.8).contains(&spread),
        "{hidden} {activation:?}: spread {spread}"
    );
}

#[test]
fn toy_circuits_match_the_reference() {
    for hidden in [1, 3, 16] {
        for activation in [
            Function::Tanh,
            Function::Relu,
            Function::Gelu,
            Function::Identity,
        ] {
            check(&INSECURE_TOY, hidden, activation, 16);
        }
    }
}

#[test]
fn a_real_circuit_matches_the_reference() {
    check(&STANDARD_2048, 16, Function::Tanh, 16);
}

/// Sets a flag at the first LUT, and counts nodes.
#[derive(Default)]
struct Leaver {
    gone: AtomicBool,
    begun: AtomicUsize,
}

impl Observer<Encrypted<'_>> for Leaver {
    fn progress(&self, progress: Progress<'_>) {
        self.begun
            .fetch_max(progress.nodes_done + 1, Ordering::Relaxed);
        if progress.luts_done > 0 {
            self.gone.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn an_evaluation_stops_before_the_next_operation_when_asked() {
    let circuit = circuit(&INSECURE_TOY, 612, 4, Function::Tanh, 7);
    let prepared = PreparedCircuit::new(circuit).expect("small weights");
    let client = client(&INSECURE_TOY);
    let circuit = prepared.circuit();
    let bag = circuit.vocabulary().bag("w1 w2 w3");
    let bag = EncryptedBag::encrypt(&bag, circuit.manifest(), &client.secret).expect("fits");
    let leaver = Leaver::default();
    let mut engine = Encrypted::new(&prepared, &client.evaluation)
        .expect("same parameters")
        .stopped_by(&leaver.gone);
    let stopped = evaluate(circuit, &mut engine, &bag, &leaver);
    assert_eq!(stopped.err(), Some(FheError::Stopped));
    let begun = leaver.begun.into_inner();
    assert!(begun < circuit.nodes(0).len(), "{begun} nodes were begun");
    assert_eq!(engine.counters().luts, 4, "those under way are finished");
}
