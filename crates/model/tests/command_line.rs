//! `cipherformer-model` as a user runs it: answers, and one clear sentence for bad input.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cipherformer-model"))
        .args(args)
        .output()
        .expect("the binary was built")
}

fn repository(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join(path).to_string_lossy().into_owned()
}

fn guard() -> String {
    repository("circuits/prompt-guard")
}

fn names() -> String {
    repository("circuits/names-gpt")
}

fn validation() -> String {
    repository("crates/model/data/prompt-injection/validation.csv")
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text.lines().count(), 1, "exactly one object: {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Exit code 1, nothing on stdout, and one line on stderr that says all of this.
fn assert_refused(args: &[&str], said: &[&str]) {
    let output = run(args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert_eq!(error.lines().count(), 1, "{error}");
    for part in said {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

fn evaluate_file(name: &str, bytes: &[u8], said: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a temporary file");
    let path = path.to_string_lossy();
    assert_refused(&["evaluate", &guard(), "--data", &path], said);
}

#[test]
fn the_shipped_guard_reaches_its_figures() {
    for mode in ["reference", "simulate"] {
        let (guard, data) = (guard(), validation());
        let report = json(&run(&[
            "evaluate", &guard, "--data", &data, "--mode", mode, "--json",
        ]));
        assert_eq!(report["examples"], 2101);
        assert_eq!(report["mode"], mode);
        let figure = |name: &str| report[name].as_f64().expect("a number");
        assert!((0.975..1.0).contains(&figure("accuracy")), "{report}");
        assert!((0.975..1.0).contains(&figure("f1")), "{report}");
        assert!((0.0..0.1).contains(&figure("cross_entropy")), "{report}");
    }
}

#[test]
fn a_limit_takes_the_first_rows() {
    let (guard, data) = (guard(), validation());
    let args = [
        "evaluate", &guard, "--data", &data, "--limit", "7", "--json",
    ];
    assert_eq!(json(&run(&args))["examples"], 7);
    let table = run(&args[..6]);
    assert!(String::from_utf8_lossy(&table.stdout).starts_with("examples       7\n"));
    assert_eq!(
        run(&["evaluate", &guard, "--data", &data, "--limit", "0"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn estimates_have_every_field() {
    let report = json(&run(&["estimate", &guard(), "--json"]));
    for field in [
        "luts",
        "ring_products",
        "evaluation_key_bytes",
        "request_bytes",
        "response_bytes",
        "predicted_seconds_per_core",
        "security_bits",
        "worst_input_noise",
        "worst_failure_log2",
    ] {
        assert!(report[field].is_number(), "{field}: {report}");
    }
    let table = run(&["estimate", &guard()]);
    let table = String::from_utf8_lossy(&table.stdout);
    for layer in ["embedding", "activation1", "dense1", "response", "total"] {
        assert!(table.lines().any(|line| line.starts_with(layer)), "{table}");
    }
}

#[test]
fn a_transformer_costs_more_with_every_position() {
    let report = json(&run(&["estimate", &names(), "--json"]));
    let luts = report["luts_per_position"].as_array().expect("a list");
    let luts: Vec<u64> = luts.iter().filter_map(Value::as_u64).collect();
    assert_eq!(luts.len(), 16);
    assert!(luts.is_sorted_by(|one, next| one < next), "{luts:?}");
    assert_eq!(report["luts"], luts[15]);
}

#[test]
fn names_are_measured() {
    let (names, data) = (names(), repository("crates/model/data/names/unseen.txt"));
    let args = [
        "evaluate", &names, "--data", &data, "--mode", "simulate", "--limit", "2", "--json",
    ];
    let report = json(&run(&args));
    let unseen = fs::read_to_string(&data).expect("it is shipped");
    let tokens: usize = unseen.lines().take(2).map(|name| name.len() + 1).sum();
    assert_eq!(
        (&report["examples"], &report["left_out"]),
        (&2.into(), &0.into())
    );
    assert_eq!(report["tokens"], tokens);
    let figure = |name: &str| report[name].as_f64().expect("a number");
    assert!((0.0..10.0).contains(&figure("cross_entropy")), "{report}");
    assert!((0.0..=1.0).contains(&figure("agreement")), "{report}");
    let table = run(&args[..8]);
    let table = String::from_utf8_lossy(&table.stdout);
    assert!(
        table.starts_with("texts          2 (0 too long)\n"),
        "{table}"
    );
}

#[test]
fn bad_data_files_are_refused() {
    evaluate_file("empty.csv", b"", &["empty.csv", "empty", "text,label"]);
    evaluate_file("bare.csv", b"text,label\n", &["bare.csv", "no rows"]);
    evaluate_file("head.csv", b"hello,0\n", &["head.csv, line 1", "header"]);
    let latin = b"text,label\nok,0\ncaf\xe9,1\n";
    evaluate_file("latin.csv", latin, &["latin.csv, line 3", "UTF-8"]);
    let label = b"text,label\nok,0\nno,maybe\n";
    evaluate_file(
        "label.csv",
        label,
        &["label.csv, line 3", "maybe", "0 for benign"],
    );
    let ragged = b"text,label\nok,0\nwell, yes,1\n";
    evaluate_file(
        "ragged.csv",
        ragged,
        &["ragged.csv, line 3", "3 fields", "quotes"],
    );
    let missing = ["evaluate", &guard(), "--data", "no-such.csv"];
    assert_refused(&missing, &["no-such.csv", "check the path"]);
}

#[test]
fn damaged_circuits_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    for entry in fs::read_dir(guard()).expect("it is shipped").flatten() {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("a temporary file");
    }
    let mut weights = fs::read(at("weights.safetensors")).expect("copied");
    weights.truncate(1000);
    fs::write(at("weights.safetensors"), weights).expect("a temporary file");
    let path = folder.path().to_string_lossy();
    assert_refused(
        &["estimate", &path],
        &["weights.safetensors", "restore the folder"],
    );
    fs::remove_file(at("manifest.json")).expect("copied");
    assert_refused(&["estimate", &path], &["manifest.json", "check that"]);
}

#[test]
fn training_refuses_what_it_cannot_do() {
    let data = repository("crates/model/data/prompt-injection");
    let unknown = ["train", "poetry", "--data", &data, "--out", "x"];
    assert_refused(&unknown, &["poetry", "prompt-guard"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let empty = folder.path().to_string_lossy();
    let train = |data: &str, out: &str, said: &[&str]| {
        assert_refused(
            &["train", "prompt-guard", "--data", data, "--out", out],
            said,
        );
    };
    train(&empty, "x", &["train.csv", "check the path"]);
    let file = folder.path().join("file");
    fs::write(&file, "in the way").expect("a temporary file");
    let below = file.join("guard");
    train(&data, &below.to_string_lossy(), &["file", "check the path"]);
    train(&data, &empty, &["file", "no part of a circuit", "--out"]);
    let names = ["train", "names-gpt", "--data", &data, "--out", "x"];
    assert_refused(&names, &["names.txt", "check the path"]);
    let crossed = [&names[..], &["--cross-validate"]].concat();
    assert_refused(&crossed, &["names-gpt", "leave out --cross-validate"]);
}

#[test]
fn wrong_usage_exits_with_2() {
    assert_eq!(run(&[]).status.code(), Some(2));
    assert_eq!(run(&["evaluate"]).status.code(), Some(2));
}
