//! Circuits under parameters that were chosen for them.

use std::fs;
use std::path::{Path, PathBuf};

use cipherformer_circuit::cost::REFERENCE;
use cipherformer_circuit::{Circuit, Goal, Tuning};
use cipherformer_model::{
    LABELS, Mode, evaluate_circuit, load_examples, tune_circuit, write_tuned,
};

fn guard() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../circuits/prompt-guard")
}

/// Tunes a circuit for so much noise and writes it to a folder.
fn tuned(source: &Path, input_noise: f64, out: &Path) -> (Circuit, Tuning) {
    let circuit = Circuit::load(source).expect("a valid circuit");
    let goal = Goal {
        input_noise: Some(input_noise),
        key_bytes: usize::MAX,
        speed: REFERENCE,
    };
    let tuning = tune_circuit(&circuit, &goal).expect("there is a set");
    write_tuned(&circuit, &tuning, source, out).expect("written");
    (Circuit::load(out).expect("what was written loads"), tuning)
}

#[test]
fn a_tuned_circuit_is_whole_and_says_what_was_chosen() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let (first, second) = (
        temporary.path().join("first"),
        temporary.path().join("second"),
    );
    let (circuit, tuning) = tuned(&guard(), 0.008, &first);
    let name = &tuning.chosen.parameter_set;
    assert!(name.starts_with("tuned-"), "{name}");
    assert_eq!(circuit.parameters().name, name);

    let vectors = fs::read_to_string(first.join("test-vectors.json")).expect("written");
    assert!(vectors.contains(&circuit.manifest().digest));
    let card = fs::read_to_string(first.join("MODEL_CARD.md")).expect("written");
    assert!(card.contains(name.as_str()) && card.contains("measured under `fast-1024`"));

    // Tuned again, the card still says what its figures were measured under, and has one note.
    let (_, again) = tuned(&first, 0.006, &second);
    let card = fs::read_to_string(second.join("MODEL_CARD.md")).expect("written");
    assert!(card.contains(again.chosen.parameter_set.as_str()));
    assert!(card.contains("measured under `fast-1024`"), "{card}");
    assert_eq!(card.matches("Parameters chosen by tuning").count(), 1);
}

/// Twice the noise costs the guard hardly a verdict: what the simulation is for.
#[test]
fn a_tuned_circuit_still_tells_injections() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let (circuit, _) = tuned(&guard(), 0.008, &temporary.path().join("guard"));
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/prompt-injection/validation.csv");
    let examples = load_examples(&data, &LABELS).expect("the shipped file");
    let evaluation = evaluate_circuit(&circuit, &examples, Mode::Simulate, 0).expect("it runs");
    let json = serde_json::to_value(&evaluation).expect("plain data");
    let accuracy = json["accuracy"].as_f64().expect("a number");
    assert!(accuracy > 0.975, "{accuracy}");
}

#[test]
fn a_folder_that_cannot_be_written_stays_as_it_is() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    fs::write(temporary.path().join("notes.txt"), "mine").expect("written");
    let circuit = Circuit::load(&guard()).expect("a valid circuit");
    let goal = Goal {
        input_noise: Some(0.008),
        key_bytes: usize::MAX,
        speed: REFERENCE,
    };
    let tuning = tune_circuit(&circuit, &goal).expect("there is a set");
    let error = write_tuned(&circuit, &tuning, &guard(), temporary.path()).expect_err("not ours");
    assert!(error.to_string().contains("notes.txt"), "{error}");
    assert_eq!(fs::read_dir(temporary.path()).expect("there").count(), 1);
}
