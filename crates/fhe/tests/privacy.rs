//! Circuit privacy: what the noise of decrypted answers tells of the weights.

mod common;

use std::sync::{Arc, Mutex};

use cipherformer_circuit::graph::{IntMatrix, Node};
use cipherformer_circuit::parameters::{FAST_1024, INSECURE_TOY};
use cipherformer_circuit::{
    Bag, Block, Circuit, Dense, Description, Embedding, Function, Model, Observer, OutputPolicy,
    ParameterSet, Plain, Quantized, Vocabulary, evaluate,
};
use cipherformer_fhe::{Encrypted, EncryptedBag, PreparedCircuit, Scalars};
use common::{Client, circuit, shared};

/// Responses whose noise is looked at, of two scores each.
const RESPONSES: usize = 400;

/// The answer is 8 times a hidden value of the text "a b", or the sum of eight such values. They are the same, from other
/// entries of the table: each has an error of its own, and these partly cancel.
fn same_answer(copies: usize) -> Circuit {
    let weight = (8 / copies) as i8;
    let hidden = 8;
    let row = |sign: i8| (0..hidden).map(move |i| if i < copies { sign * weight } else { 0 });
    let row_a = (0..hidden as i8).map(|i| 120 - 4 * i);
    let row_b = (0..hidden as i8).map(|i| 80 + 4 * i);
    let integers = |rows, columns, data| IntMatrix::new(rows, columns, data).expect("it fits");
    let quantized = |integers: IntMatrix, outputs| Quantized {
        integers,
        step: vec![0.01; outputs],
    };
    let model = Model {
        embedding: Embedding {
            table: quantized(integers(2, hidden, row_a.chain(row_b).collect()), hidden),
            bias: vec![0.0; hidden],
        },
        blocks: vec![Block {
            activation: Function::Tanh,
            dense: Dense {
                weights: quantized(integers(2, hidden, row(1).chain(row(-1)).collect()), 2),
                bias: vec![0.0; 2],
            },
        }],
    };
    let description = Description {
        name: "same".to_owned(),
        description: String::new(),
        parameter_set: INSECURE_TOY.name.to_owned(),
        labels: vec!["no".to_owned(), "yes".to_owned()],
        policy: OutputPolicy::Scores,
    };
    let features = ["w:a", "w:b"].map(str::to_owned).to_vec();
    let vocabulary = Vocabulary::new(features, 4, 1).expect("distinct");
    Circuit::new(description, vocabulary, model).expect("valid")
}

/// The noise of scores, on the torus: all that a client can see besides the answer, and what it would see without flooding.
struct Noise {
    flooded: Vec<f64>,
    before: Vec<f64>,
}

/// Keeps the last values of an evaluation before its response.
struct Last<'a> {
    client: &'a Client,
    values: Mutex<Vec<f64>>,
}

impl Observer<Encrypted<'_>> for Last<'_> {
    fn scalars(&self, _: &Node, values: &Scalars) {
        let torus = self.client.secret.decrypt_scalars(values);
        let torus = torus.into_iter().map(|x| x as i64 as f64 * (-64f64).exp2());
        *self.values.lock().expect("no panic") = torus.collect();
    }
}

fn noise(circuit: Circuit, client: &Client) -> Noise {
    let circuit = Arc::new(circuit);
    let bag = circuit.vocabulary().bag("a b");
    let exact = Plain::reference().outputs(&circuit, std::slice::from_ref(&bag));
    let exact = exact.expect("valid").remove(0);
    let prepared = PreparedCircuit::new(Arc::clone(&circuit)).expect("tables fit");
    let scales = &circuit.manifest().output.scale;
    let errors = |torus: Vec<f64>| {
        let errors = torus.into_iter().zip(&exact).zip(scales);
        errors
            .map(|((t, exact), scale)| t - exact * scale)
            .collect::<Vec<_>>()
    };
    let mut noise = Noise {
        flooded: Vec::new(),
        before: Vec::new(),
    };
    for _ in 0..RESPONSES {
        let input = EncryptedBag::encrypt(&bag, circuit.manifest(), &client.secret);
        let mut engine = Encrypted::new(&prepared, &client.evaluation).expect("one set");
        let last = Last {
            client,
            values: Mutex::default(),
        };
        let response = evaluate(&circuit, &mut engine, &input.expect("it fits"), &last);
        let response = response.expect("evaluated").decrypt(&client.secret);
        noise.flooded.extend(errors(response.expect("its key")));
        noise
            .before
            .extend(errors(last.values.into_inner().expect("no panic")));
    }
    noise
}

/// Two-sample Kolmogorov-Smirnov distance, in units of which 1.63 is exceeded once in a hundred times by samples of one
/// distribution, and 3 once in thirty million.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let sorted = |x: &[f64]| {
        let mut x = x.to_vec();
        x.sort_by(f64::total_cmp);
        x
    };
    let (a, b) = (sorted(a), sorted(b));
    let below = |x: &[f64], limit: f64| x.partition_point(|v| *v <= limit) as f64 / x.len() as f64;
    let all = a.iter().chain(&b);
    let largest = all
        .map(|&x| (below(&a, x) - below(&b, x)).abs())
        .fold(0.0, f64::max);
    let (n, m) = (a.len() as f64, b.len() as f64);
    largest * (n * m / (n + m)).sqrt()
}

/// The same answer from other weights: its noise tells them apart, but for flooding.
#[test]
fn circuits_with_the_same_answer_give_the_same_noise() {
    let client = shared(&INSECURE_TOY);
    let [one, eight] = [1, 8].map(same_answer);
    assert_eq!(one.manifest().output, eight.manifest().output);
    let [one, eight] = [one, eight].map(|circuit| noise(circuit, client));
    let flooded = distance(&one.flooded, &eight.flooded);
    let before = distance(&one.before, &eight.before);
    println!("distance {flooded:.2} flooded, {before:.2} before");
    assert!(
        flooded < 3.0,
        "flooding does not hide the weights: {flooded}"
    );
    assert!(before > 3.0, "nothing was there to hide: {before}");
}

/// Noise that is stated is noise that is there.
#[test]
fn flooded_noise_is_what_the_manifest_says() {
    let circuit = same_answer(1);
    let stated = circuit.manifest().output.noise;
    let noise = noise(circuit, shared(&INSECURE_TOY)).flooded;
    let squares: f64 = noise.iter().map(|e| e * e).sum();
    let ratio = (squares / noise.len() as f64).sqrt() / stated;
    assert!((0.85..1.15).contains(&ratio), "{ratio}");
}

/// Two responses to the same request have nothing in common but what they say.
#[test]
fn responses_to_one_request_are_fresh() {
    let client = shared(&INSECURE_TOY);
    let circuit = Arc::new(same_answer(1));
    let prepared = PreparedCircuit::new(Arc::clone(&circuit)).expect("tables fit");
    let bag = circuit.vocabulary().bag("a b");
    let input = EncryptedBag::encrypt(&bag, circuit.manifest(), &client.secret).expect("it fits");
    let respond = || {
        let mut engine = Encrypted::new(&prepared, &client.evaluation).expect("one set");
        let response = evaluate(&circuit, &mut engine, &input, &()).expect("evaluated");
        response.to_bytes()
    };
    let (a, b) = (respond(), respond());
    assert_eq!(a.len(), b.len());
    // Names and sizes are the same; of mask and bodies, by chance, one byte in 256.
    let differ = a.iter().zip(&b).filter(|(a, b)| a != b).count();
    let content = INSECURE_TOY.response_bytes(2);
    assert!(differ > content * 9 / 10, "{differ} of {content} bytes");
}

/// Policies on ciphertexts give what the reference gives.
#[test]
fn policies_hold_under_encryption() {
    for parameters in [&INSECURE_TOY, &FAST_1024] {
        policies_hold(parameters);
    }
}

fn policies_hold(parameters: &'static ParameterSet) {
    let client = shared(parameters);
    let scores = circuit(parameters, 64, 8, Function::Tanh, 3);
    for policy in [OutputPolicy::Rounded { bits: 3 }, OutputPolicy::TopOne] {
        let circuit = Arc::new(scores.with_policy(policy).expect("room"));
        let prepared = PreparedCircuit::new(Arc::clone(&circuit)).expect("tables fit");
        let step = match policy {
            OutputPolicy::Rounded { bits } => {
                (-f64::from(bits)).exp2() / circuit.manifest().output.scale[0]
            }
            _ => 1.0,
        };
        let mut clear = 0;
        for text in 0..30 {
            let text = format!("w{text} w{} w{}", 2 * text + 1, 63 - text);
            let bag = circuit.vocabulary().bag(&text);
            // Between two answers noise decides, here as there.
            if margin(&circuit, &bag) < 6.0 {
                continue;
            }
            clear += 1;
            let exact = Plain::reference().outputs(&circuit, std::slice::from_ref(&bag));
            let exact = exact.expect("valid").remove(0);
            let input = EncryptedBag::encrypt(&bag, circuit.manifest(), &client.secret);
            let mut engine = Encrypted::new(&prepared, &client.evaluation).expect("one set");
            let response = evaluate(&circuit, &mut engine, &input.expect("it fits"), &());
            let torus = response.expect("evaluated").decrypt(&client.secret);
            let got = circuit.scores(&torus.expect("its key"));
            assert!(
                close(&got, &exact, 0.3 * step),
                "{policy}: {got:?}, not {exact:?}"
            );
            let counters = engine.counters();
            assert_eq!(counters.luts, circuit.luts(0));
        }
        assert!(clear > 2, "{policy}: almost every text is a near tie");
    }
}

/// Keeps what goes into the first LUTs of a policy.
struct Before {
    node: &'static str,
    values: Mutex<Vec<f64>>,
}

impl Observer<Plain> for Before {
    fn scalars(&self, node: &Node, values: &Vec<f64>) {
        if node.name == self.node {
            self.values.lock().expect("no panic").clone_from(values);
        }
    }
}

/// How far the values that a policy is applied to are from where its answer changes, in standard deviations of their noise.
fn margin(circuit: &Circuit, bag: &Bag) -> f64 {
    const RUNS: u64 = 100;
    let (node, borders) = match circuit.manifest().output.policy {
        OutputPolicy::Rounded { bits } => {
            let step = 0.5 * (-f64::from(bits)).exp2();
            let half = 1 << (bits - 1);
            let borders = (1 - half..half).map(|k| f64::from(k) * step);
            ("dense1", borders.collect())
        }
        _ => ("differences", vec![0.0]),
    };
    let values = |mut plain: Plain| {
        let values = Mutex::default();
        let before = Before { node, values };
        evaluate(circuit, &mut plain, bag, &before).expect("valid");
        before.values.into_inner().expect("no panic")
    };
    let exact = values(Plain::reference());
    assert!(!exact.is_empty(), "{node} is there");
    let mut variances = vec![circuit.parameters().lut_input_variance(); exact.len()];
    for noisy in (0..RUNS).map(|seed| values(Plain::simulate(seed))) {
        for ((variance, noisy), exact) in variances.iter_mut().zip(noisy).zip(&exact) {
            *variance += (noisy - exact).powi(2) / RUNS as f64;
        }
    }
    let margins = exact.iter().zip(variances).flat_map(|(value, variance)| {
        let margin = move |border: &f64| (value - border).abs() / variance.sqrt();
        borders.iter().map(margin)
    });
    margins.fold(f64::INFINITY, f64::min)
}

fn close(got: &[f64], exact: &[f64], tolerance: f64) -> bool {
    let mut pairs = got.iter().zip(exact);
    pairs.all(|(got, exact)| (got - exact).abs() < tolerance)
}
