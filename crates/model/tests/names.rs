//! The shipped names-gpt: what it gives, how good it is, and the same under encryption.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use cipherformer_circuit::graph::{Node, Op};
use cipherformer_circuit::{
    Bag, Circuit, Observer, OutputLayout, Plain, State, estimate, evaluate_next,
};
use cipherformer_model::{
    EncryptedPair, Mode, TextsGolden, evaluate_texts, reference_logits, tokens,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../circuits/names-gpt")
}

fn unseen() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/names/unseen.txt")
}

fn circuit() -> Circuit {
    Circuit::load(&folder()).expect("it ships")
}

#[test]
fn golden_vectors() {
    let text = std::fs::read_to_string(folder().join("test-vectors.json")).expect("it ships");
    let golden: TextsGolden = serde_json::from_str(&text).expect("test vectors");
    let circuit = circuit();
    assert_eq!(golden.digest, circuit.manifest().digest);
    assert!(!golden.vectors.is_empty());
    for vector in golden.vectors {
        let tokens = tokens(&circuit, &vector.text).expect("letters");
        let logits = reference_logits(&circuit, &tokens).expect("tokens");
        assert_eq!(logits.len(), vector.logits.len());
        for (got, expected) in logits.iter().flatten().zip(vector.logits.iter().flatten()) {
            let error = (got - expected).abs();
            assert!(error < 1e-9, "{}: {got} {expected}", vector.text);
        }
    }
}

/// The figures that README promises, on a part of the unseen names.
#[test]
fn unseen_names() {
    let circuit = circuit();
    let run = |mode| evaluate_texts(&circuit, &unseen(), Some(400), mode, 1).expect("names");
    let (reference, simulate) = (run(Mode::Reference), run(Mode::Simulate));
    println!("{reference:?}\n{simulate:?}");
    assert_eq!(reference.examples, 400);
    assert!(reference.cross_entropy < 2.15);
    assert!(simulate.cross_entropy < reference.cross_entropy + 0.03);
    assert!(simulate.agreement > Some(0.95));
}

/// Every position costs what the estimate says, and at most 500 LUTs.
#[test]
fn luts_per_letter() {
    let circuit = circuit();
    let expected = estimate(&circuit).luts_per_position;
    assert_eq!(expected.len(), circuit.positions());
    let (mut engine, mut state) = (Plain::reference(), State::new(&circuit));
    for expected in expected {
        let done = Counter::default();
        evaluate_next(&circuit, &mut engine, &mut state, &Bag::token(1), &done).expect("a letter");
        assert_eq!(done.0.into_inner(), expected);
        assert!(expected <= 500);
    }
}

/// Counts the values that LUTs put out.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Observer<Plain> for Counter {
    fn scalars(&self, node: &Node, values: &Vec<f64>) {
        if matches!(node.op, Op::Lut { .. } | Op::ScaledLut { .. }) {
            self.0.fetch_add(values.len(), Ordering::Relaxed);
        }
    }
}

#[test]
fn encrypted_letters() {
    let circuit = circuit();
    let tokens = tokens(&circuit, "ma").expect("letters");
    let reference = reference_logits(&circuit, &tokens).expect("tokens");
    let pair = EncryptedPair::new(circuit, |_| ()).expect("keys");
    let bags: Vec<Bag> = tokens.iter().copied().map(Bag::token).collect();
    let encrypted = pair.outputs(&bags).expect("tokens");
    for (got, expected) in encrypted.iter().zip(&reference) {
        let best = OutputLayout::argmax(expected);
        println!("{best}: {:.3} for {:.3}", got[best], expected[best]);
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 0.6, "{got} {expected}");
        }
    }
}
