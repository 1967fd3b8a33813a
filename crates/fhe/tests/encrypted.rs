//! The encrypted evaluator against the reference, on random circuits.

mod common;

use cipherformer_circuit::parameters::{INSECURE_TOY, STANDARD_2048};
use cipherformer_circuit::{Circuit, Function, ParameterSet, Reference, evaluate};
use cipherformer_fhe::{Counters, Encrypted, EncryptedBag, EncryptedScores, PreparedCircuit};
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

/// Differences to the reference in standard deviations of the predicted noise.
fn deviations(circuit: &Circuit, scores: &[f64], text: &str) -> Vec<f64> {
    let bag = circuit.vocabulary().bag(text);
    let reference = evaluate(circuit, &mut Reference, &bag, &()).expect("valid input");
    let response = circuit.nodes().last().expect("never empty");
    let compared = scores.iter().zip(&reference).zip(&response.values);
    compared
        .map(|((score, reference), value)| (score - reference) / value.variance.sqrt())
        .collect()
}

fn check(parameters: &'static ParameterSet, hidden: usize, activation: Function, texts: usize) {
    let entries = 2 * parameters.ring_dimension + 100;
    let circuit = circuit(parameters, entries, hidden, activation, 7);
    let prepared = PreparedCircuit::new(circuit).expect("small weights");
    let client = client(parameters);
    let mut random = StdRng::seed_from_u64(1);
    for words in 0..texts {
        let text = text(entries, words, &mut random);
        let (scores, counters) = round_trip(&prepared, &client, &text);
        assert_eq!(
            counters,
            Counters {
                luts: hidden,
                ring_products: 3 * hidden
            }
        );
        // The noise before the LUT moves the activation too, by its slope, which is at most about 1:
        // allow as much again as the response's own noise, and eight standard deviations.
        for (score, deviation) in scores
            .iter()
            .zip(deviations(prepared.circuit(), &scores, &text))
        {
            println!("{words} words: score {score:.4}, {deviation:.2} standard deviations off");
        }
    }
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
            check(&INSECURE_TOY, hidden, activation, 8);
        }
    }
}

#[test]
fn a_real_circuit_matches_the_reference() {
    let start = std::time::Instant::now();
    check(&STANDARD_2048, 16, Function::Tanh, 4);
    println!("{:?}", start.elapsed());
}
