//! Weights that somebody made to do harm: an error each, never a panic, and no memory for what is only claimed.

use std::fs;

use cipherformer_model::ModelError;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::files::classifier;

/// What is said of weights that are these bytes.
fn said(bytes: &[u8]) -> Result<(), ModelError> {
    let written = classifier().write();
    fs::write(written.path("model.safetensors"), bytes).expect("a temporary file");
    written.import().map(|_| ())
}

/// A file with this header and so many bytes after it.
fn file(header: &str, bytes: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + bytes, 0);
    file
}

#[test]
fn headers_that_lie() {
    let tensor = |shape: &str, from: u64, to: u64| {
        format!(
            r#""embedding.weight":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}"#
        )
    };
    let overlapping = format!(
        r#"{{{},"output.weight":{{"dtype":"F32","shape":[2,2],"data_offsets":[16,32]}}}}"#,
        tensor("[4,2]", 0, 32)
    );
    let huge = u64::MAX.to_le_bytes().to_vec();
    let one = |shape: &str, from, to| file(&format!("{{{}}}", tensor(shape, from, to)), 32);
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("three bytes", vec![1, 2, 3]),
        ("a header longer than memory", huge),
        ("a header longer than the file", file("{}", 0)[..9].to_vec()),
        ("no JSON", file("hello", 4)),
        ("no text", [&2u64.to_le_bytes()[..], &[0xff, 0xfe]].concat()),
        ("tensors that overlap", file(&overlapping, 32)),
        ("a tensor beyond the end", one("[4,2]", 0, 1 << 40)),
        ("a tensor that ends before it begins", one("[4,2]", 32, 0)),
        (
            "a shape that overflows",
            one("[4294967296,4294967296,4294967296]", 0, 32),
        ),
        ("another size than the shape's", one("[4,3]", 0, 32)),
        ("bytes that belong to nobody", one("[2,2]", 0, 16)),
    ] {
        let error = said(&bytes).expect_err(what).to_string();
        assert!(error.contains("is no safetensors file"), "{what}: {error}");
        assert_eq!(error.lines().count(), 1, "{what}: {error}");
    }
}

#[test]
fn integers_are_no_weights() {
    let header = r#"{"embedding.weight":{"dtype":"I64","shape":[4,2],"data_offsets":[0,64]}}"#;
    let error = said(&file(header, 64)).expect_err("integers").to_string();
    for part in [
        "layer 1, embedding",
        "\"embedding.weight\"",
        "I64",
        "F64, F32, F16 and BF16",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let written = classifier().write();
    let file = fs::File::create(written.path("model.safetensors")).expect("a temporary file");
    // Sparse: it takes no room.
    file.set_len(1 << 40).expect("a sparse file");
    let error = written.import().expect_err("a terabyte").to_string();
    assert!(error.contains("at most 268435456"), "{error}");
}

/// A file that claims no length, and has no end.
#[test]
#[cfg(unix)]
fn no_more_is_read_than_a_circuit_needs() {
    let written = classifier().write();
    let weights = written.path("model.safetensors");
    fs::remove_file(&weights).expect("it was written");
    std::os::unix::fs::symlink("/dev/zero", weights).expect("a temporary folder");
    let error = written.import().expect_err("no end").to_string();
    assert!(
        error.contains("268435457 bytes or more, at most 268435456"),
        "{error}"
    );
}

/// Every cut and many flips of a good file give an error or, where only a weight has changed, a circuit.
#[test]
fn damage_never_panics() {
    let good = classifier().weights();
    for length in 0..good.len() {
        assert!(said(&good[..length]).is_err(), "cut to {length} bytes");
    }
    let mut random = StdRng::seed_from_u64(7);
    let mut refused = 0;
    for _ in 0..300 {
        let mut bad = good.clone();
        let at = random.random_range(0..bad.len());
        bad[at] ^= 1 << random.random_range(0..8);
        refused += usize::from(said(&bad).is_err());
    }
    // The header is four fifths of the file, and most of it matters.
    assert!((100..300).contains(&refused), "{refused} of 300");
}
