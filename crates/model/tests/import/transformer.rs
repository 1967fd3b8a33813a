//! Transformers: the float model against a computation of its own, the circuit against the float model.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cipherformer_circuit::{Circuit, OutputPolicy};
use cipherformer_model::{ImportReport, Quality, TextsGolden, reference_logits, tokens};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

use crate::files::Files;
use crate::plain::Plain;

pub(crate) const WIDTH: usize = 8;
pub(crate) const HEADS: usize = 2;
const HIDDEN: usize = 12;
const CONTEXT: usize = 8;
const LETTERS: &str = "abcde";
pub(crate) const EPSILON: f64 = 1e-3;

/// Three blocks of random weights; the first one's MLP has ReLUs.
pub(crate) fn transformer() -> Files {
    let mut random = StdRng::seed_from_u64(3);
    let mut files = Files {
        tensors: BTreeMap::new(),
        spec: spec(),
        vocabulary: LETTERS
            .chars()
            .fold("<end>\n".to_owned(), |all, c| format!("{all}{c}\n")),
        data: texts(300, &mut random),
        evaluate: None,
    };
    let mut normal = |shape: &[usize], mean: f32, std: f32| -> Vec<f32> {
        let draw = |_| {
            let unit: f32 = StandardNormal.sample(&mut random);
            mean + std * unit
        };
        (0..shape.iter().product()).map(draw).collect()
    };
    let square = (WIDTH as f32).sqrt().recip();
    let mut shapes = vec![
        ("token.weight".to_owned(), vec![6, WIDTH], 0.0, 1.0),
        ("position.weight".to_owned(), vec![CONTEXT, WIDTH], 0.0, 0.3),
        ("unembedding.weight".to_owned(), vec![6, WIDTH], 0.0, 0.8),
        ("unembedding.bias".to_owned(), vec![6], 0.0, 0.3),
    ];
    for block in 0..3 {
        for (what, shape, mean, std) in [
            ("norm.weight", vec![WIDTH], 1.0, 0.1),
            ("query.weight", vec![WIDTH, WIDTH], 0.0, square),
            ("key.weight", vec![WIDTH, WIDTH], 0.0, square),
            ("value.weight", vec![WIDTH, WIDTH], 0.0, square),
            ("output.weight", vec![WIDTH, WIDTH], 0.0, square),
            ("output.bias", vec![WIDTH], 0.0, 0.1),
            ("up.weight", vec![HIDDEN, WIDTH], 0.0, square),
            ("up.bias", vec![HIDDEN], 0.0, 0.1),
            ("down.weight", vec![WIDTH, HIDDEN], 0.0, 0.5 * square),
            ("down.bias", vec![WIDTH], 0.0, 0.1),
        ] {
            shapes.push((format!("blocks.{block}.{what}"), shape, mean, std));
        }
    }
    for (name, shape, mean, std) in shapes {
        let values = normal(&shape, mean, std);
        files.set(&name, &shape, values);
    }
    files
}

fn spec() -> String {
    let mut spec = "description = \"For tests.\"\n\n[input]\nkind = \"tokens\"\nvocabulary = \"vocabulary.txt\"\n\n\
                    [[layers]]\nkind = \"embedding\"\ntoken = \"token.weight\"\nposition = \"position.weight\"\n"
        .to_owned();
    for block in 0..3 {
        let name = |what: &str| format!("{what} = \"blocks.{block}.{what}.weight\"");
        let activation = if block == 0 { "relu" } else { "gelu" };
        spec += &format!(
            "\n[[layers]]\nkind = \"block\"\nnorm = {{ weight = \"blocks.{block}.norm.weight\", epsilon = {EPSILON} }}\n\
             attention = {{ heads = {HEADS}, {}, {}, {}, {}, output_bias = \"blocks.{block}.output.bias\" }}\n\
             mlp = {{ activation = \"{activation}\", {}, up_bias = \"blocks.{block}.up.bias\", {}, down_bias = \
             \"blocks.{block}.down.bias\" }}\n",
            name("query"),
            name("key"),
            name("value"),
            name("output"),
            name("up"),
            name("down"),
        );
    }
    spec + "\n[[layers]]\nkind = \"dense\"\nweight = \"unembedding.weight\"\nbias = \"unembedding.bias\"\n"
}

/// Lines of letters that fit the context.
fn texts(count: usize, random: &mut StdRng) -> String {
    let letters: Vec<char> = LETTERS.chars().collect();
    let mut line = |_| {
        let length = random.random_range(1..CONTEXT);
        let text = (0..length).map(|_| letters[random.random_range(0..letters.len())]);
        text.chain(['\n']).collect::<String>()
    };
    (0..count).map(&mut line).collect()
}

fn nats(logits: &[f64], target: usize) -> f64 {
    logits.iter().map(|x| x.exp()).sum::<f64>().ln() - logits[target]
}

#[test]
fn three_blocks_of_a_stranger() {
    let mut files = transformer();
    let unseen = texts(100, &mut StdRng::seed_from_u64(9));
    files.evaluate = Some(unseen.clone());
    let written = files.write();
    let report = written.import().expect("a good model");
    let circuit = Circuit::load(&written.out()).expect("just written");
    assert_eq!((circuit.positions(), report.measured), (CONTEXT, 100));
    let (mut expected, mut count, mut far) = (0.0, 0, 0.0);
    for text in unseen.lines() {
        let tokens = tokens(&circuit, text).expect("letters");
        let logits = Plain(&files).logits(&tokens);
        let got = reference_logits(&circuit, &tokens).expect("tokens");
        let targets = tokens[1..].iter().chain(&[0]);
        for ((logits, got), &target) in logits.iter().zip(&got).zip(targets) {
            expected += nats(logits, target);
            far += logits
                .iter()
                .zip(got)
                .map(|(a, b)| (a - b).powi(2))
                .sum::<f64>()
                / 6.0;
            count += 1;
        }
    }
    let Quality::Transformer {
        tokens,
        float,
        reference,
        simulate,
        reference_agreement,
        simulate_agreement,
        cap,
    } = report.quality
    else {
        panic!("it is a transformer");
    };
    let rms = (far / f64::from(count)).sqrt();
    println!(
        "{expected} {float} {reference} {simulate} {reference_agreement} {simulate_agreement} {cap} {rms}"
    );
    assert_eq!(tokens, count as usize);
    let expected = expected / f64::from(count);
    // Single precision.
    assert!((float - expected).abs() < 1e-4, "{float}, not {expected}");
    // Random weights are the worst case: nothing has kept scores and residuals small. Logits spread by 2.8.
    assert!(rms < 0.8, "{rms}");
    assert!(reference_agreement > 0.85 && simulate_agreement > 0.78);
    assert!((reference - float).abs() < 0.3 && (simulate - float).abs() < 0.4);
    assert!(cap > 0.0);
}

#[test]
fn golden_vectors_are_of_texts_that_were_measured() {
    let mut files = transformer();
    let unseen = texts(60, &mut StdRng::seed_from_u64(11));
    files.evaluate = Some(unseen.clone());
    let measured: BTreeSet<&str> = unseen.lines().collect();
    let shared = files.data.lines().filter(|text| measured.contains(text));
    let shared = shared.count();
    let written = files.write();
    let report = written.import().expect("a good model");
    // Short texts are in both files, and kept from calibration.
    assert!(shared > 10 && report.shared == shared, "{shared}");
    assert_eq!(report.calibrated, 300 - shared);
    let circuit = Circuit::load(&written.out()).expect("just written");
    let json = fs::read_to_string(written.out().join("test-vectors.json")).expect("written");
    let golden: TextsGolden = serde_json::from_str(&json).expect("test vectors");
    assert_eq!(golden.digest, report.digest);
    assert_eq!(golden.vectors.len(), 4);
    for vector in golden.vectors {
        assert!(measured.contains(&*vector.text), "{:?}", vector.text);
        let tokens = tokens(&circuit, &vector.text).expect("letters");
        let logits = reference_logits(&circuit, &tokens).expect("tokens");
        assert_eq!(logits, vector.logits);
    }
    let card = fs::read_to_string(written.out().join("MODEL_CARD.md")).expect("written");
    assert!(card.contains("has 4 of the texts measured on, word for word"));
    let folder = written.path("");
    for (what, text) in [("card", card), ("vectors", json)] {
        assert!(!text.contains(&*folder.to_string_lossy()), "{what}: {text}");
        assert!(text.contains(
            "--safetensors model.safetensors --spec spec.toml --calibrate data --out mine"
        ));
    }
}

/// Clients get the best token alone; what is chosen and the nats in the report do not depend on that.
#[test]
fn policies_do_not_change_what_is_chosen() {
    let import = |policy: &str| {
        let mut files = transformer();
        files.spec = format!("output = \"{policy}\"\n{}", files.spec);
        files.evaluate = Some(texts(40, &mut StdRng::seed_from_u64(9)));
        let written = files.write();
        let report = written.import().expect("a good model");
        let circuit = Circuit::load(&written.out()).expect("just written");
        (report, circuit)
    };
    let ((scores, whole), (top, best)) = (import("scores"), import("top-1"));
    assert_eq!(whole.body(), best.body());
    assert_eq!(best.manifest().output.policy, OutputPolicy::TopOne);
    let figures = |report: ImportReport| match report.quality {
        Quality::Transformer {
            float,
            reference,
            simulate,
            reference_agreement,
            simulate_agreement,
            ..
        } => (
            [float, reference, simulate],
            [reference_agreement, simulate_agreement],
        ),
        Quality::Classifier { .. } => panic!("it is a transformer"),
    };
    assert!(top.table().contains("clients get top-1: "));
    let ((nats, of_scores), (same_nats, of_best)) = (figures(scores), figures(top));
    assert_eq!(nats, same_nats);
    println!("{of_scores:?} {of_best:?}");
    assert!((of_best[0] - of_scores[0]).abs() < 0.02);
    assert!(of_best[1] > of_scores[1] - 0.1);
}
