//! Bytes from outside: sizes as predicted, damage noticed, nothing that does not fit gets through.

mod common;

use std::sync::OnceLock;

use cipherformer_circuit::parameters::{
    INSECURE_PRECISE, INSECURE_TOY, KEY_SWITCH_BODY_BITS, PRECISE_1024, RING_KEY_BODY_BITS,
    STANDARD_2048,
};
use cipherformer_circuit::{Function, evaluate};
use cipherformer_fhe::{
    Encrypted, EncryptedBag, EncryptedScores, EvaluationKey, FheError, PreparedCircuit, SecretKey,
    SeededEvaluationKey, is_secret_key, size_limit, type_name,
};
use common::{circuit, client};
use proptest::prelude::*;
use sha2::Digest;

const ENTRIES: usize = 700;

struct Messages {
    key: Vec<u8>,
    request: Vec<u8>,
    response: Vec<u8>,
}

impl Messages {
    fn all(&self) -> [&Vec<u8>; 3] {
        [&self.key, &self.request, &self.response]
    }
}

fn messages() -> &'static Messages {
    static MESSAGES: OnceLock<Messages> = OnceLock::new();
    MESSAGES.get_or_init(make_messages)
}

fn make_messages() -> Messages {
    let circuit = circuit(&INSECURE_TOY, ENTRIES, 2, Function::Tanh, 1);
    let client = client(&INSECURE_TOY);
    let bag = circuit.vocabulary().bag("w1 w2");
    let request = EncryptedBag::encrypt(&bag, circuit.manifest(), &client.secret).expect("fits");
    let prepared = PreparedCircuit::new(circuit).expect("small weights");
    let mut engine = Encrypted::new(&prepared, &client.evaluation).expect("same parameters");
    let response = evaluate(prepared.circuit(), &mut engine, &request, &()).expect("fits");
    Messages {
        key: SeededEvaluationKey::generate(&client.secret, |_| ()).to_bytes(),
        request: request.to_bytes(),
        response: response.to_bytes(),
    }
}

/// What each reader says of some bytes.
fn read_all(bytes: &[u8]) -> [Result<(), FheError>; 4] {
    [
        SeededEvaluationKey::from_bytes(bytes, &INSECURE_TOY).map(|_| ()),
        EncryptedBag::from_bytes(bytes, ENTRIES, &INSECURE_TOY).map(|_| ()),
        EncryptedScores::from_bytes(bytes, 2, &INSECURE_TOY).map(|_| ()),
        SecretKey::from_bytes(bytes).map(|_| ()),
    ]
}

#[test]
fn each_message_is_read_by_its_own_reader_only() {
    for (index, bytes) in messages().all().into_iter().enumerate() {
        for (reader, result) in read_all(bytes).into_iter().enumerate() {
            assert_eq!(
                result.is_ok(),
                reader == index,
                "message {index}, reader {reader}"
            );
        }
    }
}

#[test]
fn every_message_says_what_it_is() {
    let names = ["EvaluationKey", "EncryptedBag", "EncryptedScores"];
    for (bytes, name) in messages().all().into_iter().zip(names) {
        assert_eq!(
            type_name(bytes),
            Some(format!("cipherformer::{name}").as_str())
        );
        assert!(!is_secret_key(bytes));
    }
    assert_eq!(type_name(b"cipherformer::EncryptedBag"), None);
    assert_eq!(type_name(&[0; 1000]), None);
}

#[test]
fn sizes_are_as_predicted() {
    let messages = messages();
    let sizes = [
        (messages.key.len(), INSECURE_TOY.evaluation_key_bytes()),
        (messages.request.len(), INSECURE_TOY.request_bytes(ENTRIES)),
        (messages.response.len(), INSECURE_TOY.response_bytes(2)),
    ];
    for (got, predicted) in sizes {
        assert!(
            got >= predicted && got <= size_limit(predicted),
            "{got}, predicted {predicted}"
        );
    }
}

#[test]
fn keys_with_rounded_bodies_have_the_predicted_size() {
    for (parameters, limit) in [(&INSECURE_PRECISE, 5_000_000), (&PRECISE_1024, 40_000_000)] {
        let secret = SecretKey::generate(parameters);
        let bytes = SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
        let predicted = parameters.evaluation_key_bytes();
        assert!(bytes.len() >= predicted && bytes.len() <= size_limit(predicted));
        assert!(bytes.len() <= limit, "{} bytes", bytes.len());
    }
}

/// A length that promises more than there is must be refused before anything of that size is made.
#[test]
fn hostile_lengths_are_refused() {
    let key = &messages().key;
    for (position, count) in lengths(key) {
        let count = count as u64;
        for hostile in [u64::MAX, 1 << 60, 1 << 40, count + 1, count - 1, 0] {
            let mut bytes = key.clone();
            bytes[position..position + 8].copy_from_slice(&hostile.to_le_bytes());
            seal(&mut bytes);
            let error = SeededEvaluationKey::from_bytes(&bytes, &INSECURE_TOY).err();
            assert!(
                matches!(error, Some(FheError::Malformed { .. })),
                "{hostile} for {count} at {position}: {error:?}"
            );
        }
    }
}

/// Where the lengths of an evaluation key's four parts stand, and what they are.
fn lengths(key: &[u8]) -> [(usize, usize); 4] {
    let packing = INSECURE_TOY.ring_dimension.ilog2() as usize;
    let ring = INSECURE_TOY.ring_key_bodies();
    let bootstrap = (
        INSECURE_TOY.bootstrap_key_bodies(),
        INSECURE_TOY.key_body_bits,
    );
    let key_switch = (INSECURE_TOY.key_switch_key_bodies(), KEY_SWITCH_BODY_BITS);
    let parts = [
        bootstrap,
        key_switch,
        (packing * ring, RING_KEY_BODY_BITS),
        (ring, RING_KEY_BODY_BITS),
    ];
    let mut from = 0;
    // Behind the name of the set, or a seed, whose last bytes may look like the first ones of the length.
    const NEAR: usize = 300;
    parts.map(|(bodies, bits)| {
        let count = (bodies * bits as usize).div_ceil(64);
        let length = (count as u64).to_le_bytes();
        let mut near = key[from..from + NEAR].windows(8);
        let position = near.rposition(|window| window == length);
        let position = from + position.expect("the number of words stands before them");
        from = position + 8 + 8 * count;
        (position, count)
    })
}

/// Makes the checksum right.
fn seal(bytes: &mut [u8]) {
    let checksum = sha2::Sha256::digest(&bytes[32..]);
    bytes[..32].copy_from_slice(&checksum);
}

#[test]
fn a_real_evaluation_key_has_the_predicted_size() {
    let secret = SecretKey::generate(&STANDARD_2048);
    let bytes = SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
    let predicted = STANDARD_2048.evaluation_key_bytes();
    assert!(bytes.len() >= predicted && bytes.len() <= size_limit(predicted));
    assert!(bytes.len() <= 35_000_000, "{} bytes", bytes.len());
    // and the toy's reader refuses it before reading it
    let error = SeededEvaluationKey::from_bytes(&bytes, &INSECURE_TOY).err();
    assert!(
        matches!(error, Some(FheError::TooLarge { .. })),
        "{error:?}"
    );
}

#[test]
fn a_toy_key_is_refused_where_a_real_one_is_needed() {
    let error = SeededEvaluationKey::from_bytes(&messages().key, &STANDARD_2048).err();
    assert!(
        matches!(error, Some(FheError::ParameterSet { .. })),
        "{error:?}"
    );
}

#[test]
fn a_request_for_another_vocabulary_is_refused() {
    let request = &messages().request;
    let error = EncryptedBag::from_bytes(request, 3 * ENTRIES, &INSECURE_TOY).err();
    assert!(
        matches!(error, Some(FheError::Malformed { .. })),
        "{error:?}"
    );
}

#[test]
fn fresh_requests_for_one_text_differ() {
    // The same text encrypted twice must not look the same.
    let circuit = circuit(&INSECURE_TOY, ENTRIES, 2, Function::Tanh, 1);
    let secret = SecretKey::generate(&INSECURE_TOY);
    let bag = circuit.vocabulary().bag("w1");
    let encrypt = || EncryptedBag::encrypt(&bag, circuit.manifest(), &secret).expect("fits");
    let (first, second) = (encrypt().to_bytes(), encrypt().to_bytes());
    assert_eq!(first.len(), second.len());
    let same = first.iter().zip(&second).filter(|(a, b)| a == b).count();
    assert!(
        same < first.len() / 8,
        "{same} of {} bytes agree",
        first.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damage_is_noticed(which in 0..3usize, position in any::<prop::sample::Index>(), bit in 0..8u8) {
        let bytes = messages().all()[which];
        let mut flipped = bytes.clone();
        flipped[position.index(bytes.len())] ^= 1 << bit;
        prop_assert!(read_all(&flipped).iter().all(Result::is_err));
        let truncated = &bytes[..position.index(bytes.len())];
        prop_assert!(read_all(truncated).iter().all(Result::is_err));
    }

    #[test]
    fn garbage_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert!(read_all(&bytes).iter().all(Result::is_err));
    }

    /// Garbage behind a right checksum reaches the format's own checks.
    #[test]
    fn sealed_garbage_is_refused_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..4096),
    ) {
        let mut sealed = vec![0; 32];
        sealed.extend(bytes);
        seal(&mut sealed);
        prop_assert!(read_all(&sealed).iter().all(Result::is_err));
    }

    /// Damage behind a right checksum must not panic either, nor what is done with what is let through:
    /// a hostile peer can make both. Fields stand before and behind the numbers.
    #[test]
    fn resealed_damage_never_panics(
        which in 0..3usize,
        from_the_end in any::<bool>(),
        distance in 0..400usize,
        value in any::<u8>(),
    ) {
        let mut bytes = messages().all()[which].clone();
        let last = bytes.len() - 1;
        let position = if from_the_end { last - distance } else { 32 + distance };
        bytes[position] = value;
        seal(&mut bytes);
        use_all(&bytes);
    }

    /// The same between the parts of an evaluation key, where the fields of one end and those of the next begin.
    #[test]
    fn resealed_damage_between_parts_never_panics(
        part in 1..4usize,
        distance in 0..200usize,
        value in any::<u8>(),
    ) {
        let mut bytes = messages().key.clone();
        let (length, _) = lengths(&bytes)[part];
        bytes[length + 7 - distance] = value;
        seal(&mut bytes);
        use_all(&bytes);
    }
}

/// Reads bytes as everything they could be, and uses what is accepted.
fn use_all(bytes: &[u8]) {
    if let Ok(key) = SeededEvaluationKey::from_bytes(bytes, &INSECURE_TOY) {
        EvaluationKey::expand(key, &INSECURE_TOY);
    }
    if let Ok(bag) = EncryptedBag::from_bytes(bytes, ENTRIES, &INSECURE_TOY) {
        bag.expand(&INSECURE_TOY);
    }
    if let Ok(scores) = EncryptedScores::from_bytes(bytes, 2, &INSECURE_TOY) {
        let secret = SecretKey::generate(&INSECURE_TOY);
        scores.decrypt(&secret).expect("same parameters");
    }
}
