//! Circuit folders: what is saved can be loaded, and nothing else.

mod common;

use std::fs;
use std::path::Path;

use cipherformer_circuit::{Circuit, CircuitError};
use common::Parts;
use tempfile::TempDir;

const FILES: [&str; 4] = [
    "manifest.json",
    "vocabulary.txt",
    "body.json",
    "weights.safetensors",
];

fn saved() -> (TempDir, Circuit) {
    let circuit = Parts::small().build().expect("a valid circuit");
    let folder = tempfile::tempdir().expect("a temporary folder");
    circuit.save(folder.path()).expect("an empty folder");
    (folder, circuit)
}

/// Replaces one file's bytes, loads, and puts the bytes back.
fn load_with(folder: &Path, file: &str, bytes: &[u8]) -> Result<Circuit, CircuitError> {
    let path = folder.join(file);
    let before = fs::read(&path).expect("it was saved");
    fs::write(&path, bytes).expect("a temporary file");
    let result = Circuit::load(folder);
    fs::write(&path, before).expect("a temporary file");
    result
}

fn edit_manifest(folder: &Path, from: &str, to: &str) -> Result<Circuit, CircuitError> {
    let text = fs::read_to_string(folder.join("manifest.json")).expect("it was saved");
    assert!(text.contains(from), "{text}");
    load_with(
        folder,
        "manifest.json",
        text.replacen(from, to, 1).as_bytes(),
    )
}

fn same(a: &Circuit, b: &Circuit) -> bool {
    a.manifest() == b.manifest()
        && a.body() == b.body()
        && a.vocabulary() == b.vocabulary()
        && a.nodes(0) == b.nodes(0)
}

#[test]
fn what_is_saved_is_loaded() {
    let (folder, circuit) = saved();
    let loaded = Circuit::load(folder.path()).expect("just saved");
    assert!(same(&circuit, &loaded));
}

#[test]
fn a_missing_file_is_named() {
    for file in FILES {
        let (folder, _) = saved();
        fs::remove_file(folder.path().join(file)).expect("it was saved");
        let error = Circuit::load(folder.path()).expect_err("a file is missing");
        assert!(matches!(error, CircuitError::File { .. }), "{error}");
        assert!(error.to_string().contains(file), "{error}");
    }
}

#[test]
fn a_truncated_file_is_named() {
    let (folder, _) = saved();
    for file in FILES {
        let bytes = fs::read(folder.path().join(file)).expect("it was saved");
        for length in [0, 1, bytes.len() / 2, bytes.len() - 2] {
            let error = load_with(folder.path(), file, &bytes[..length]).expect_err("truncated");
            assert!(error.to_string().contains(file), "{length} bytes: {error}");
        }
    }
}

/// Every bit of every file. A decimal digit beyond the precision of `f64` may change nothing.
#[test]
fn a_flipped_bit_is_noticed() {
    let (folder, circuit) = saved();
    let place = folder.path().to_string_lossy().into_owned();
    for file in FILES {
        let mut bytes = fs::read(folder.path().join(file)).expect("it was saved");
        for bit in 0..8 * bytes.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            match load_with(folder.path(), file, &bytes) {
                Ok(loaded) => assert!(same(&circuit, &loaded), "{file}, bit {bit}"),
                Err(CircuitError::UnknownParameters { .. }) => {
                    assert_eq!(file, "manifest.json");
                }
                Err(error) => assert!(error.to_string().contains(&place), "{error}"),
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn a_damaged_vocabulary_is_told_from_other_damage() {
    let (folder, _) = saved();
    let vocabulary = b"b:ignore all\nw:all\nw:ignore\nw:ten\n";
    let error = load_with(folder.path(), "vocabulary.txt", vocabulary).expect_err("another word");
    assert!(
        error.to_string().contains("vocabulary.txt is damaged"),
        "{error}"
    );
}

#[test]
fn another_digest_is_refused() {
    let (folder, circuit) = saved();
    let error = edit_manifest(folder.path(), &circuit.manifest().digest, &"0".repeat(64))
        .expect_err("another digest");
    assert!(matches!(error, CircuitError::Digest { .. }), "{error}");
}

#[test]
fn unknown_parameters_and_formats_are_refused() {
    let (folder, _) = saved();
    let error = edit_manifest(folder.path(), "standard-2048", "standard-1").expect_err("unknown");
    assert!(
        error.to_string().contains("standard-2048"),
        "names the known ones: {error}"
    );
    let error = edit_manifest(folder.path(), "\"format\": 2", "\"format\": 3").expect_err("newer");
    assert!(error.to_string().contains("format 3 is not 2"), "{error}");
}
