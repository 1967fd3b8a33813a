//! The shipped prompt guard: golden vectors, counts, and noise.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use cipherformer_circuit::graph::{Node, Op};
use cipherformer_circuit::{Circuit, Observer, OutputLayout, Plain, estimate, evaluate};
use serde::Deserialize;

/// Torus values; what is summed is exact, so only the tanh may differ between platforms.
const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
struct GoldenFile {
    digest: String,
    how_to_regenerate: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    text: String,
    features: Vec<usize>,
    weight: f64,
    layers: Vec<Layer>,
    scores: Vec<f64>,
    label: String,
}

#[derive(Debug, Deserialize)]
struct Layer {
    name: String,
    torus: Vec<f64>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../circuits/prompt-guard")
}

fn circuit() -> Circuit {
    Circuit::load(&folder()).expect("the shipped circuit is valid")
}

fn golden() -> GoldenFile {
    let bytes = std::fs::read(folder().join("test-vectors.json")).expect("it is shipped");
    serde_json::from_slice(&bytes).expect("training writes this format")
}

#[derive(Default)]
struct Watcher(Mutex<Vec<Layer>>);

impl Observer<Plain> for Watcher {
    fn scalars(&self, node: &Node, values: &Vec<f64>) {
        self.0.lock().expect("no thread has panicked").push(Layer {
            name: node.name.clone(),
            torus: values.clone(),
        });
    }
}

fn assert_close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (got, expected) in got.iter().zip(expected) {
        assert!(
            (got - expected).abs() <= tolerance,
            "{what}: {got} is not {expected}"
        );
    }
}

#[test]
fn golden_vectors_hold_with_every_intermediate() {
    let (circuit, golden) = (circuit(), golden());
    let how = &golden.how_to_regenerate;
    assert_eq!(
        circuit.manifest().digest,
        golden.digest,
        "regenerate: {how}"
    );
    assert!(golden.vectors.len() >= 12);
    for vector in &golden.vectors {
        let text = &vector.text;
        let bag = circuit.vocabulary().bag(text);
        assert_eq!(bag.features(), vector.features, "{text:?}");
        assert_eq!(bag.weight(), vector.weight, "{text:?}");
        let watcher = Watcher::default();
        let torus =
            evaluate(&circuit, &mut Plain::reference(), &bag, &watcher).expect("a valid bag");
        let layers = watcher.0.into_inner().expect("no thread has panicked");
        assert_eq!(layers.len(), vector.layers.len());
        for (got, expected) in layers.iter().zip(&vector.layers) {
            assert_eq!(got.name, expected.name);
            assert_close(&got.torus, &expected.torus, TOLERANCE, text);
        }
        let scores = circuit.scores(&torus);
        assert_close(&scores, &vector.scores, 1e3 * TOLERANCE, text);
        let label = &circuit.manifest().output.labels[OutputLayout::argmax(&scores)];
        assert_eq!(label, &vector.label, "{text:?}");
    }
    let verdicts = |label| golden.vectors.iter().filter(|v| v.label == label).count();
    assert!(verdicts("benign") >= 3 && verdicts("injection") >= 3);
}

/// Changing these changes what every user pays: do it on purpose.
#[test]
fn counts_are_as_documented() {
    let estimate = estimate(&circuit());
    assert_eq!((estimate.luts, estimate.ring_products), (16, 128));
    assert!(estimate.evaluation_key_bytes <= 35_000_000);
    assert!(estimate.request_bytes <= 80_000);
    assert!(estimate.response_bytes <= 20_000);
    assert!(estimate.worst_failure_log2 <= -40.0);
    assert_eq!(estimate.security_bits, 128);
}

#[test]
fn the_vocabulary_is_sorted_so_that_it_ranks_nothing() {
    let text = circuit().vocabulary().to_text();
    assert!(text.lines().is_sorted());
}

/// Largest spread of each score that the noise can cause, to first order: LUT inputs through a tanh of
/// slope 1 at most, and all that is added after it.
fn score_std(circuit: &Circuit) -> f64 {
    let lut_input = circuit.parameters().lut_input_variance();
    let nodes = circuit.nodes(0);
    let (embedding, activation, dense) = (&nodes[0], &nodes[1], &nodes[2]);
    let Op::Linear { weights, .. } = &dense.op else {
        panic!("the third node is the last layer");
    };
    let through_tanh: f64 = embedding
        .values
        .iter()
        .zip(&activation.values)
        .zip(weights.row(0))
        .map(|((z, h), &w)| {
            let gain = f64::from(w) * h.scale / z.scale;
            (z.variance + lut_input) * gain * gain
        })
        .sum();
    let response = &nodes[3].values[0];
    (through_tanh + response.variance).sqrt()
}

#[test]
fn simulation_stays_near_the_reference() {
    let circuit = circuit();
    let mut simulate = Plain::simulate(1);
    let std = score_std(&circuit);
    let mut squares = Vec::new();
    for vector in golden().vectors {
        let bag = circuit.vocabulary().bag(&vector.text);
        let reference =
            evaluate(&circuit, &mut Plain::reference(), &bag, &()).expect("a valid bag");
        for _ in 0..50 {
            let noisy = evaluate(&circuit, &mut simulate, &bag, &()).expect("a valid bag");
            for (noisy, reference) in noisy.iter().zip(&reference) {
                assert!((noisy - reference).abs() < 8.0 * std, "{}", vector.text);
                squares.push((noisy - reference).powi(2));
            }
        }
    }
    let measured = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
    // Most of it is what the response is flooded with. Sampling alone accounts for 2 %.
    let flooded = circuit.nodes(0)[3].values[0].variance.sqrt();
    assert!(
        (0.9 * flooded..1.1 * std).contains(&measured),
        "{measured}, not between {flooded} and {std}"
    );
}
