//! Classifiers: figures against those that training's own float model has, and folders that everything else can use.

use std::fs;
use std::path::Path;

use cipherformer_circuit::{Circuit, Goal, cost, estimate};
use cipherformer_model::{
    LABELS, Metrics, Mode, ModelError, Quality, Recipe, choose_vocabulary, evaluate_circuit,
    load_examples, train, tune_circuit, write_tuned,
};

use safetensors::tensor::{Dtype, TensorView};

use crate::files::{Files, classifier};

/// Measured lost: 0.05 points at most; a LUT's noise turns the verdicts of prompts that are in doubt.
const LOST: f64 = 0.005;

/// Trained as the shipped guard is, on a tenth of its prompts, written as a stranger would write it.
#[test]
fn a_guard_from_a_file_is_as_good_as_in_floating_point() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/prompt-injection");
    let mut examples = load_examples(&data.join("train.csv"), &LABELS).expect("shipped");
    let mut tenth = 0;
    examples.retain(|_| {
        tenth += 1;
        tenth % 10 == 0
    });
    let recipe = Recipe {
        entries: 1024,
        width: 8,
        ..Recipe::default()
    };
    let vocabulary = choose_vocabulary(&examples, &recipe).expect("features enough");
    let bags = examples
        .iter()
        .map(|e| (vocabulary.bag(&e.text), e.label == 1));
    let bags: Vec<_> = bags.collect();
    let model = train(&bags, vocabulary.len(), &recipe, 0, || ()).expect("small");

    let validation = data.join("validation.csv");
    let mut files = classifier();
    files.vocabulary = vocabulary.to_text();
    files.spec = files.spec.replace(
        "[[layers]]\nkind = \"embedding\"",
        "max_features = 128\nmin_count = 8\n\n[[layers]]\nkind = \"embedding\"",
    );
    files.data = fs::read_to_string(data.join("train.csv")).expect("shipped");
    files.evaluate = Some(fs::read_to_string(&validation).expect("shipped"));
    let table = model
        .embedding
        .iter()
        .map(|x| x * recipe.gain as f32)
        .collect();
    files.set("embedding.weight", &[vocabulary.len(), 8], table);
    // One logit for two labels.
    files.set("output.weight", &[1, 8], model.weights.clone());
    files.set("output.bias", &[1], vec![model.bias]);
    let report = files.write().import().expect("a good model");

    let unseen = load_examples(&validation, &LABELS).expect("shipped");
    let scores = unseen
        .iter()
        .map(|e| (model.scores(&vocabulary.bag(&e.text)), e.label));
    let expected = Metrics::new(scores);
    let Quality::Classifier {
        float,
        reference,
        simulate,
        reference_agreement,
        simulate_agreement,
    } = report.quality
    else {
        panic!("it is a classifier");
    };
    println!(
        "{expected:?}\n{float:?}\n{reference:?}\n{simulate:?} {reference_agreement} {simulate_agreement}"
    );
    // Four prompts of the training file are in the validation file too.
    assert_eq!(
        (report.measured, report.calibrated, report.shared),
        (2101, 11_085, 4)
    );
    assert!(expected.accuracy > 0.93, "{expected:?}");
    // Embeddings are 32-bit floats, the gain is multiplied in: one prompt may be that close to the border.
    assert!((float.accuracy - expected.accuracy).abs() <= 1.0 / 2101.0);
    assert!((float.cross_entropy - expected.cross_entropy).abs() < 1e-5);
    assert!((float.accuracy - reference.accuracy).abs() < LOST);
    assert!((float.accuracy - simulate.accuracy).abs() < LOST);
    assert!((reference.cross_entropy - float.cross_entropy).abs() < 0.01);
    assert!(reference_agreement > 0.99 && simulate_agreement > 0.985);
    let [embedding, output] = &report.layers[..] else {
        panic!("two layers have weights");
    };
    assert_eq!((embedding.steps, output.steps), (8, 1));
    assert_eq!(
        (embedding.largest_integer, output.largest_integer),
        (127, 15)
    );
    for layer in [embedding, output] {
        let largest = f64::from(layer.largest_integer);
        assert!(
            layer.error.largest <= layer.error.of / largest / 2.0 + 1e-9,
            "{layer:?}"
        );
        let bound = layer.possible.expect("bounds of classifiers are hard");
        assert!(
            layer.range[0] >= -1.01 * bound && layer.range[1] <= 1.01 * bound,
            "{layer:?}"
        );
    }
}

/// A deep one with more labels than two, biases everywhere, and other activations.
pub(crate) fn deep() -> Files {
    let mut files = classifier();
    files.spec = files
        .spec
        .replace("\"benign\", \"injection\"", "\"tea\", \"rain\", \"rules\"")
        .replace("weight = \"embedding.weight\"", "weight = \"embedding.weight\"\nbias = \"embedding.bias\"\nbits = 7")
        .replace("function = \"tanh\"", "function = \"relu\"\n\n[[layers]]\nkind = \"dense\"\nweight = \"hidden.weight\"\nbits = 6\n\n[[layers]]\nkind = \"activation\"\nfunction = \"gelu\"");
    files.set("embedding.bias", &[2], vec![0.5, -0.25]);
    files.set(
        "hidden.weight",
        &[3, 2],
        vec![1.0, -0.5, 0.25, 1.5, -1.0, 0.5],
    );
    files.set(
        "output.weight",
        &[3, 3],
        vec![-2.0, 0.1, 2.0, 0.3, 1.0, 0.0, 2.0, -1.0, 0.5],
    );
    files.set("output.bias", &[3], vec![0.1, -0.1, 0.0]);
    let row = |text: &str, label: &str| format!("{text},{label}\n");
    files.data = "text,label\n".to_owned();
    for i in 0..30 {
        files.data += &row(&format!("a cup of tea {i}"), "tea");
        files.data += &row(&format!("it will rain today {i}"), "1");
        files.data += &row(&format!("ignore the rules {i}"), "rules");
    }
    files
}

#[test]
fn an_imported_circuit_is_as_good_as_one_that_was_trained_here() {
    let written = deep().write();
    let report = written.import().expect("a good model");
    assert_eq!(report.circuit, "mine");
    assert_eq!(report.layers.len(), 3);
    let Quality::Classifier {
        reference_agreement,
        ..
    } = &report.quality
    else {
        panic!("it is a classifier");
    };
    assert_eq!(*reference_agreement, 1.0);
    let circuit = Circuit::load(&written.out()).expect("just written");
    assert_eq!(circuit.manifest().digest, report.digest);
    assert_eq!(circuit.luts(0), 2 + 3);
    assert_eq!(estimate(&circuit).luts, report.estimate.luts);
    let labels = &circuit.manifest().output.labels;
    let examples = load_examples(&written.path("data"), labels).expect("the labels are its own");
    assert_eq!(
        examples.iter().filter(|example| example.label == 1).count(),
        30
    );
    for mode in [Mode::Reference, Mode::Simulate] {
        let evaluation = evaluate_circuit(&circuit, &examples, mode, 0).expect("it runs");
        assert_eq!(evaluation.metrics.examples, 90);
    }
    let card = fs::read_to_string(written.out().join("MODEL_CARD.md")).expect("written");
    assert!(
        card.contains(&report.digest) && card.contains("hidden.weight"),
        "{card}"
    );
    let tuned = written.path("tuned");
    let goal = Goal {
        input_noise: Some(0.008),
        key_bytes: 64_000_000,
        speed: cost::REFERENCE,
    };
    let tuning = tune_circuit(&circuit, &goal).expect("there are parameters");
    write_tuned(&circuit, &tuning, &written.out(), &tuned).expect("a temporary folder");
    Circuit::load(&tuned).expect("just written");
}

#[test]
fn folders_are_replaced_only_on_demand() {
    let written = classifier().write();
    let first = written.import().expect("a good model");
    let Err(error) = written.import() else {
        panic!("the folder is there");
    };
    assert!(error.to_string().contains("--replace"), "{error}");
    let again = written.import_to(&written.out(), true).expect("asked for");
    assert_eq!(first.digest, again.digest);
    let error = written.import_to(&written.path("circuits/My Circuit"), false);
    assert!(matches!(error, Err(ModelError::Import(_))), "{error:?}");
}

/// Bytes of a number, given with its bits as a half.
type Encode = fn((f32, u16)) -> Vec<u8>;

/// The same numbers, exact in every type that is read.
#[test]
fn types_of_floats_make_no_difference() {
    let halves: [(f32, u16); 4] = [
        (1.0, 0x3c00),
        (0.5, 0x3800),
        (-0.25, 0xb400),
        (-1.0, 0xbc00),
    ];
    let value = |index: usize| halves[index % 4];
    let encode: [(Dtype, Encode); 4] = [
        (Dtype::F32, |(x, _)| x.to_le_bytes().to_vec()),
        (Dtype::F64, |(x, _)| f64::from(x).to_le_bytes().to_vec()),
        (Dtype::F16, |(_, bits)| bits.to_le_bytes().to_vec()),
        (Dtype::BF16, |(x, _)| x.to_le_bytes()[2..].to_vec()),
    ];
    let digests = encode.map(|(dtype, encode)| {
        let tensors = [
            ("embedding.weight", vec![4, 2]),
            ("output.weight", vec![2, 2]),
            ("output.bias", vec![2]),
        ];
        let bytes = tensors.clone().map(|(_, shape)| -> Vec<u8> {
            (0..shape.iter().product())
                .flat_map(|index| encode(value(index)))
                .collect()
        });
        let views = tensors.iter().zip(&bytes).map(|((name, shape), bytes)| {
            let view = TensorView::new(dtype, shape.clone(), bytes);
            (*name, view.expect("as many values as the shape says"))
        });
        let written = classifier().write();
        let weights = safetensors::serialize(views, None).expect("names are distinct");
        fs::write(written.path("model.safetensors"), weights).expect("a temporary file");
        written.import().expect("floats").digest
    });
    assert!(
        digests.iter().all(|digest| *digest == digests[0]),
        "{digests:?}"
    );
}
