//! Weights of one's own, from a safetensors file to an encrypted verdict: three real programs.

use std::fs;
use std::path::Path;
use std::process::Command;

use cipherformer_circuit::{Circuit, Plain};
use safetensors::tensor::{Dtype, TensorView};

use crate::pair::{Server, program};
use crate::{answers, run};

const SPEC: &str = r#"
description = "Tells texts about tea from texts about rain."
labels = ["tea", "rain"]
[input]
kind = "bag"
vocabulary = "vocabulary.txt"
[[layers]]
kind = "embedding"
weight = "embedding.weight"
[[layers]]
kind = "activation"
function = "tanh"
[[layers]]
kind = "dense"
weight = "output.weight"
bias = "output.bias"
"#;

const WEIGHTS: [(&str, &[usize], &[f32]); 3] = [
    (
        "embedding.weight",
        &[4, 2],
        &[1.0, 0.2, 0.8, -0.3, -1.0, 0.4, -0.7, -0.4],
    ),
    ("output.weight", &[1, 2], &[-4.0, 0.3]),
    ("output.bias", &[1], &[0.2]),
];

const TEXTS: [(&str, &str); 3] = [
    ("a cup of tea, please", "tea"),
    ("it rains, take an umbrella", "rain"),
    ("an umbrella in the rain", "rain"),
];

/// Others, to calibrate with.
const MORE_TEXTS: [(&str, &str); 2] = [("tea in a cup", "tea"), ("rain, rain", "rain")];

/// Writes what a participant has, and imports it.
fn import(folder: &Path, out: &Path) {
    let bytes = WEIGHTS
        .map(|(_, _, values)| -> Vec<u8> { values.iter().flat_map(|x| x.to_le_bytes()).collect() });
    let views = WEIGHTS.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes);
        (*name, view.expect("as many values as the shape says"))
    });
    let weights = safetensors::serialize(views, None).expect("names are distinct");
    let (texts, more) = (csv(&TEXTS), csv(&MORE_TEXTS));
    for (name, bytes) in [
        ("model.safetensors", &weights[..]),
        ("spec.toml", SPEC.as_bytes()),
        ("vocabulary.txt", b"w:tea\nw:cup\nw:rain\nw:umbrella\n"),
        ("texts.csv", texts.as_bytes()),
        ("more.csv", more.as_bytes()),
    ] {
        fs::write(folder.join(name), bytes).expect("a temporary file");
    }
    let output = Command::new(program("cipherformer-model"))
        .arg("import")
        .arg("--safetensors")
        .arg(folder.join("model.safetensors"))
        .arg("--spec")
        .arg(folder.join("spec.toml"))
        .arg("--calibrate")
        .arg(folder.join("more.csv"))
        .arg("--evaluate")
        .arg(folder.join("texts.csv"))
        .arg("--out")
        .arg(out)
        .output()
        .expect("it can be started");
    assert!(output.status.success(), "{output:?}");
}

fn csv(texts: &[(&str, &str)]) -> String {
    let rows = texts
        .iter()
        .map(|(text, label)| format!("\"{text}\",{label}\n"));
    format!("text,label\n{}", rows.collect::<String>())
}

#[test]
fn a_layer_of_ones_own_is_imported_served_and_called() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let circuits = place.path().join("circuits");
    import(place.path(), &circuits.join("tea-or-rain"));
    let circuit = Circuit::load(&circuits.join("tea-or-rain")).expect("just written");
    let server = Server::start_with(&circuits, &place.path().join("data"));
    for (text, label) in TEXTS {
        let home = place.path().join("home");
        let answer = &answers(&run(&home, server.url(), "tea-or-rain", text))[0];
        assert_eq!(answer["label"], label, "{answer}");
        let bag = circuit.vocabulary().bag(text);
        let expected = Plain::reference().outputs(&circuit, &[bag]).expect("valid");
        let scores = answer["scores"].as_array().expect("one number a label");
        for (got, expected) in scores.iter().zip(&expected[0]) {
            let got = got.as_f64().expect("a number");
            let output = &circuit.manifest().output;
            // Noise is hidden by rounding to steps that are some times as large.
            let tolerance = 32.0 * output.noise / output.scale[0];
            assert!(
                (got - expected).abs() < tolerance,
                "{answer}, not {expected}"
            );
        }
    }
}
