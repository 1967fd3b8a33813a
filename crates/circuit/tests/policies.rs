//! What output policies make of scores, by the reference evaluator.

mod common;

use cipherformer_circuit::graph::Op;
use cipherformer_circuit::{
    Bag, Block, Circuit, CircuitError, Dense, Function, Manifest, OutputLayout, OutputPolicy,
    Plain, Quantized,
};
use common::{Parts, weights};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A classifier of random weights with so many labels, whose weights have so many different steps.
fn classifier(labels: usize, steps: &[f64]) -> Circuit {
    let mut random = StdRng::seed_from_u64(labels as u64);
    let mut integers = |rows: usize, columns: usize, limit: i8| -> Vec<i8> {
        let all = 0..rows * columns;
        all.map(|_| random.random_range(-limit..=limit)).collect()
    };
    let (entries, hidden) = (64, 12);
    let mut parts = Parts::small();
    let features = (0..entries).map(|i| format!("w:w{i}")).collect();
    parts.vocabulary = cipherformer_circuit::Vocabulary::new(features, 8, 1).expect("distinct");
    parts.description.labels = (0..labels).map(|i| format!("label {i}")).collect();
    let table = integers(entries, hidden, 127);
    parts.model.embedding.table = weights(entries, hidden, &table, hidden);
    parts.model.embedding.bias = vec![0.0; hidden];
    let rows = integers(labels, hidden, 7);
    let rows = weights(labels, hidden, &rows, labels);
    parts.model.blocks = vec![Block {
        activation: Function::Tanh,
        dense: Dense {
            weights: Quantized {
                step: steps.iter().copied().cycle().take(labels).collect(),
                ..rows
            },
            bias: (0..labels).map(|i| 0.001 * i as f64).collect(),
        },
    }];
    parts.build().expect("a valid circuit")
}

fn bags(circuit: &Circuit, count: u64) -> Vec<Bag> {
    let mut random = StdRng::seed_from_u64(count);
    let mut text = || {
        let words = (0..8).map(|_| format!("w{}", random.random_range(0..64)));
        words.collect::<Vec<_>>().join(" ")
    };
    (0..count)
        .map(|_| circuit.vocabulary().bag(&text()))
        .collect()
}

fn scores(circuit: &Circuit, bag: &Bag) -> Vec<f64> {
    let outputs = Plain::reference().outputs(circuit, std::slice::from_ref(bag));
    outputs.expect("valid").remove(0)
}

fn simulated(circuit: &Circuit, bag: &Bag, seed: u64) -> Vec<f64> {
    let outputs = Plain::simulate(seed).outputs(circuit, std::slice::from_ref(bag));
    outputs.expect("valid").remove(0)
}

#[test]
fn rounded_scores_are_the_middle_of_the_level_they_fall_on() {
    let circuit = classifier(3, &[0.01]);
    for bits in [1, 3, 6] {
        let rounded = circuit
            .with_policy(OutputPolicy::Rounded { bits })
            .expect("room");
        assert_eq!(rounded.luts(0), circuit.luts(0) + 3);
        let scale = rounded.manifest().output.scale[0];
        // Levels fill the torus.
        let step = (-f64::from(bits)).exp2() / scale;
        for bag in bags(&circuit, 50) {
            for (got, exact) in scores(&rounded, &bag).iter().zip(scores(&circuit, &bag)) {
                let level = got / step - 0.5;
                assert!((level - level.round()).abs() < 1e-9, "{got} is on no level");
                assert!(
                    (got - exact).abs() < 0.51 * step,
                    "{bits}: {exact} became {got}"
                );
            }
        }
    }
}

#[test]
fn top_one_is_the_label_with_the_largest_score_and_no_other() {
    for labels in [2, 3, 5, 9, 27] {
        let circuit = classifier(labels, &[0.01]);
        let top = circuit.with_policy(OutputPolicy::TopOne).expect("room");
        let (mut all, mut decided) = (vec![0; labels], 0);
        for (seed, bag) in bags(&circuit, 40).iter().enumerate() {
            let exact = scores(&circuit, bag);
            let best = OutputLayout::argmax(&exact);
            let mut expected = vec![0.0; labels];
            expected[best] = 1.0;
            all[best] += 1;
            let mut sorted = exact.clone();
            sorted.sort_by(f64::total_cmp);
            let margin = sorted[labels - 1] - sorted[labels - 2];
            if margin > 0.03 * (sorted[labels - 1] - sorted[0]) {
                assert_close(&scores(&top, bag), &expected, 1e-9);
            }
            // Noise decides between scores that are almost equal. Of three each may beat another: nobody wins then.
            let noisy = simulated(&top, bag, seed as u64);
            let winners = noisy.iter().filter(|&&x| x > 0.5).count();
            assert!(winners <= 1, "{noisy:?}");
            assert!(winners == 1 || labels > 2, "{noisy:?}");
            decided += winners;
        }
        assert!(
            all.iter().filter(|&&count| count > 0).count() > 1,
            "{all:?}"
        );
        assert!(decided >= 36, "{decided} of 40 are decided");
    }
}

fn assert_close(got: &[f64], expected: &[f64], tolerance: f64) {
    let close = got
        .iter()
        .zip(expected)
        .all(|(a, b)| (a - b).abs() < tolerance);
    assert!(close, "{got:?}, not {expected:?}");
}

#[test]
fn two_labels_take_one_lut_more() {
    let circuit = classifier(2, &[0.01]);
    let top = circuit.with_policy(OutputPolicy::TopOne).expect("room");
    assert_eq!(top.luts(0), circuit.luts(0) + 1);
}

/// Labels of different steps cannot be compared on the torus: their weights get one step.
#[test]
fn steps_may_differ() {
    let circuit = classifier(4, &[0.01, 0.023]);
    let scale = &circuit.manifest().output.scale;
    assert!(scale[0] != scale[1]);
    let top = circuit.with_policy(OutputPolicy::TopOne).expect("room");
    let bags = bags(&circuit, 60);
    let agree = bags.iter().filter(|bag| {
        let [exact, top] = [&circuit, &top].map(|circuit| scores(circuit, bag));
        OutputLayout::argmax(&exact) == OutputLayout::argmax(&top)
    });
    assert!(agree.count() > 55);
    // Noise must not decide more often than rounding does.
    let agree = bags.iter().enumerate().filter(|(seed, bag)| {
        let noisy = simulated(&top, bag, *seed as u64);
        OutputLayout::argmax(&scores(&circuit, bag)) == OutputLayout::argmax(&noisy)
    });
    assert!(agree.count() > 50);
}

#[test]
fn one_label_has_no_largest() {
    let circuit = classifier(1, &[0.01]);
    let refused = circuit.with_policy(OutputPolicy::TopOne);
    assert!(
        matches!(refused, Err(CircuitError::Shape { .. })),
        "{refused:?}"
    );
}

/// Whatever the weights, scores leave with the same noise: what they lack of it is added.
#[test]
fn noise_of_scores_does_not_depend_on_weights() {
    let circuit = classifier(3, &[0.01]);
    for policy in ["scores", "rounded:4", "top-1"] {
        let circuit = circuit
            .with_policy(policy.parse().expect("one"))
            .expect("room");
        let nodes = circuit.nodes(0);
        let response = nodes.last().expect("every circuit has one");
        let Op::Response { flood } = &response.op else {
            panic!("it ends with something else");
        };
        let before = &nodes[nodes.len() - 2].values;
        for ((value, before), flood) in response.values.iter().zip(before).zip(flood) {
            assert!(*flood > 0.9 * (before.variance + flood), "{policy}");
            let added = flood + circuit.parameters().output_variance();
            assert!((value.variance / (before.variance + added) - 1.0).abs() < 1e-9);
            let public = circuit.manifest().output.noise;
            assert!((value.variance.sqrt() / public - 1.0).abs() < 1e-6);
        }
    }
    let other = classifier(3, &[0.5]);
    let noise = |circuit: &Circuit| circuit.manifest().output.noise;
    assert_eq!(noise(&other), noise(&circuit));
}

/// Circuits of other weights and widths have the same manifest, but for the digest, and for scales, which follow ranges.
#[test]
fn a_manifest_says_nothing_of_its_body() {
    let narrow = classifier(2, &[0.01]);
    let mut parts = Parts::small();
    parts.vocabulary = narrow.vocabulary().clone();
    parts
        .description
        .labels
        .clone_from(&narrow.manifest().output.labels);
    parts.model.embedding.table = weights(64, 5, &[3; 64 * 5], 5);
    parts.model.embedding.bias = vec![0.25; 5];
    let block = |inputs: usize, outputs: usize| Block {
        activation: Function::Relu,
        dense: Dense {
            weights: weights(outputs, inputs, &vec![1; inputs * outputs], outputs),
            bias: vec![0.125; outputs],
        },
    };
    parts.model.blocks = vec![block(5, 7), block(7, 2)];
    let deep = parts.build().expect("valid");
    let blank = |circuit: &Circuit| {
        let mut manifest: Manifest = circuit.manifest().clone();
        manifest.digest = String::new();
        manifest.input.scale = 0.0;
        manifest.output.scale.clear();
        manifest
    };
    assert!(narrow.body() != deep.body());
    assert_eq!(blank(&narrow), blank(&deep));
    let text = serde_json::to_string(narrow.manifest()).expect("plain data");
    for private in [
        "weights",
        "bias",
        "activation",
        "tanh",
        "dense",
        "embedding",
    ] {
        assert!(!text.contains(private), "{private} is in {text}");
    }
}
