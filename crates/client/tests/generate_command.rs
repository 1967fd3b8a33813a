//! The command `generate` and what it does not take.

mod fake_server;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use cipherformer_circuit::Vocabulary;
use fake_server::{Answer, FakeServer};

fn run(home: &Path, server: &str, options: &str) -> Output {
    let line = format!("--server {server} generate --circuit names {options}");
    Command::new(env!("CARGO_BIN_EXE_cipherformer-client"))
        .arg("--home")
        .arg(home)
        .args(line.split_whitespace())
        .output()
        .expect("cargo built the program")
}

/// A server with a circuit of two letters and three positions.
fn server() -> FakeServer {
    let tokens = ["<end>", "a", "b"].map(str::to_owned).to_vec();
    let vocabulary = Vocabulary::new(tokens, 1, 1).expect("distinct");
    let manifest = serde_json::json!({
        "format": 2,
        "name": "names",
        "description": "",
        "digest": "0".repeat(64),
        "parameter_set": "precise-1024",
        "input": {
            "kind": "tokens",
            "context": 3,
            "entries": 3,
            "max_features": 1,
            "min_count": 1,
            "scale": 0.001,
            "vocabulary_sha256": vocabulary.sha256(),
        },
        "output": { "kind": "logits", "labels": ["<end>", "a", "b"], "scale": [0.1, 0.1, 0.1], "policy": "scores", "noise": 0.001 },
    });
    FakeServer::start(move |request| match request.path.as_str() {
        "/v1/circuits" => Answer::json("{\"circuits\":[]}"),
        "/v1/circuits/names" => Answer::json(manifest.to_string()),
        _ => Answer::new(200, "text/plain", vocabulary.to_text()),
    })
}

#[test]
fn bad_input_is_refused_in_one_sentence_before_keys_are_made() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let server = server();
    for (options, reason) in [
        ("--prefix Ab", "no letter 'A'; use only these: a b"),
        ("--prefix -a", "no letter '-'"),
        ("--prefix aba", "pass at most 2"),
        ("--temperature -1", "the temperature -1 is not usable"),
        ("--temperature nan", "the temperature NaN is not usable"),
        ("--top-k 0", "top-k 0 leaves nothing"),
        ("--count 0", "--count is 0"),
    ] {
        let output = run(home.path(), server.url(), options);
        let error = String::from_utf8(output.stderr).expect("messages are UTF-8");
        assert_eq!(output.status.code(), Some(1), "{options}: {error}");
        assert!(
            error.starts_with("error: ") && error.contains(reason),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(output.stdout.is_empty(), "{options}");
    }
    assert!(!home.path().join("keys").exists());
}

#[test]
fn a_prefix_may_come_from_standard_input() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let server = server();
    let arguments = ["generate", "--circuit", "names", "--prefix", "-"];
    let mut client = Command::new(env!("CARGO_BIN_EXE_cipherformer-client"))
        .args(["--server", server.url(), "--home"])
        .arg(home.path())
        .args(arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cargo built the program");
    let mut input = client.stdin.take().expect("piped");
    input.write_all(b"bZ\n").expect("it reads");
    drop(input);
    let output = client.wait_with_output().expect("it ends");
    let error = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert!(error.contains("no letter 'Z'"), "{error}");
}

#[test]
fn what_is_no_number_is_a_usage_error() {
    let home = tempfile::tempdir().expect("a temporary folder");
    for options in ["--temperature hot", "--top-k -1", "--count -1", "--seed x"] {
        let output = run(home.path(), fake_server::NOBODY, options);
        assert_eq!(output.status.code(), Some(2), "{options}: {output:?}");
    }
}
