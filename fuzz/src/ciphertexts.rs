//! Keys, ciphertexts and session states: a checksum, then a versioned object.

use std::sync::{Arc, LazyLock};

use cipherformer_circuit::Circuit;
use cipherformer_circuit::parameters::{INSECURE_PRECISE, INSECURE_TOY};
use cipherformer_fhe::{
    EncryptedBag, EncryptedScores, EvaluationKey, SecretKey, SeededEvaluationKey, state_from_bytes,
    state_to_bytes,
};
use sha2::{Digest, Sha256};

use crate::names;

const CHECKSUM_BYTES: usize = 32;
const ACCEPTED: &str = "what was accepted is accepted again";

/// What the readers read for: a tiny transformer under toy parameters.
pub(crate) static CIRCUIT: LazyLock<Arc<Circuit>> =
    LazyLock::new(|| Arc::new(names::circuit("names")));
/// A client's, under the circuit's parameters.
pub(crate) static SECRET: LazyLock<SecretKey> =
    LazyLock::new(|| SecretKey::generate(&INSECURE_PRECISE));

/// What a client registers.
pub fn evaluation_key(bytes: &[u8]) {
    with_checksums(bytes, |bytes| {
        if let Ok(key) = SeededEvaluationKey::from_bytes(bytes, &INSECURE_TOY) {
            SeededEvaluationKey::from_bytes(&key.to_bytes(), &INSECURE_TOY).expect(ACCEPTED);
            EvaluationKey::expand(key, &INSECURE_TOY);
        }
    });
}

/// What a client sends.
pub fn encrypted_bag(bytes: &[u8]) {
    with_checksums(bytes, |bytes| {
        let (entries, parameters) = (CIRCUIT.manifest().input.entries, CIRCUIT.parameters());
        if let Ok(bag) = EncryptedBag::from_bytes(bytes, entries, parameters) {
            EncryptedBag::from_bytes(&bag.to_bytes(), entries, parameters).expect(ACCEPTED);
            bag.expand(parameters);
        }
    });
}

/// What a server answers.
pub fn encrypted_scores(bytes: &[u8]) {
    with_checksums(bytes, |bytes| {
        let (labels, parameters) = (CIRCUIT.manifest().output.labels.len(), CIRCUIT.parameters());
        if let Ok(scores) = EncryptedScores::from_bytes(bytes, labels, parameters) {
            EncryptedScores::from_bytes(&scores.to_bytes(), labels, parameters).expect(ACCEPTED);
            let values = scores.decrypt(&SECRET).expect("of the same set");
            assert_eq!(values.len(), labels);
        }
    });
}

/// What a server keeps.
pub fn session_state(bytes: &[u8]) {
    with_checksums(bytes, |bytes| {
        if let Ok(state) = state_from_bytes(bytes, &CIRCUIT) {
            let again = state_to_bytes(&state, CIRCUIT.parameters());
            state_from_bytes(&again, &CIRCUIT).expect(ACCEPTED);
        }
    });
}

/// As they are, then with the checksum of what they are.
fn with_checksums(bytes: &[u8], read: impl Fn(&[u8])) {
    read(bytes);
    if let Some((_, content)) = bytes.split_at_checked(CHECKSUM_BYTES) {
        let sealed = [Sha256::digest(content).as_slice(), content].concat();
        if sealed != bytes {
            read(&sealed);
        }
    }
}
