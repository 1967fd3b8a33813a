//! What a session keeps, through bytes: nothing is lost, and nothing else gets through.

#[allow(dead_code)] // the circuit's own tests use the rest
#[path = "../../circuit/tests/common/transformer.rs"]
mod random;

mod common;

use std::sync::{Arc, OnceLock};

use cipherformer_circuit::parameters::INSECURE_PRECISE;
use cipherformer_circuit::{Bag, Circuit, State, evaluate_next};
use cipherformer_fhe::{
    Encrypted, EncryptedBag, FheError, Packed, PreparedCircuit, state_from_bytes, state_limit,
    state_to_bytes,
};
use common::client;
use proptest::prelude::*;
use random::{Sizes, circuit, transformer};
use sha2::Digest;

struct Fixture {
    circuit: Arc<Circuit>,
    /// After no token, one, two and three.
    states: Vec<State<Packed>>,
    prepared: PreparedCircuit,
    client: common::Client,
    input: EncryptedBag,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let circuit = tiny(5);
        let client = client(&INSECURE_PRECISE);
        let prepared = PreparedCircuit::new(Arc::clone(&circuit)).expect("small weights");
        let bag = Bag::token(1);
        let input = EncryptedBag::encrypt(&bag, circuit.manifest(), &client.secret).expect("fits");
        let mut engine = Encrypted::new(&prepared, &client.evaluation).expect("one set");
        let mut state = State::new(&circuit);
        let mut states = vec![state.clone()];
        for _ in 0..3 {
            evaluate_next(&circuit, &mut engine, &mut state, &input, &()).expect("a token");
            states.push(state.clone());
        }
        Fixture {
            circuit,
            states,
            prepared,
            client,
            input,
        }
    })
}

fn tiny(seed: u64) -> Arc<Circuit> {
    let sizes = Sizes {
        vocabulary: 5,
        context: 4,
        heads: 2,
        head_width: 4,
        width: 8,
        hidden: 6,
        blocks: 1,
    };
    Arc::new(circuit(&transformer(sizes, seed), &INSECURE_PRECISE))
}

fn bytes(position: usize) -> Vec<u8> {
    state_to_bytes(&fixture().states[position], &INSECURE_PRECISE)
}

fn read(bytes: &[u8]) -> Result<State<Packed>, FheError> {
    state_from_bytes(bytes, &fixture().circuit)
}

/// Makes the checksum right.
fn seal(bytes: &mut [u8]) {
    let checksum = sha2::Sha256::digest(&bytes[32..]);
    bytes[..32].copy_from_slice(&checksum);
}

#[test]
fn every_bit_survives_and_the_text_goes_on_as_it_would_have() {
    let Fixture {
        circuit,
        states,
        prepared,
        client,
        input,
    } = fixture();
    for state in states {
        let bytes = state_to_bytes(state, &INSECURE_PRECISE);
        assert!(bytes.len() <= state_limit(circuit));
        let read = read(&bytes).expect("just written");
        assert_eq!(read.position(), state.position());
        assert!(read.kept().iter().eq(state.kept()));
    }
    assert!(states[2].kept().iter().all(Option::is_some));
    let mut state = read(&bytes(2)).expect("just written");
    let mut engine = Encrypted::new(prepared, &client.evaluation).expect("one set");
    evaluate_next(circuit, &mut engine, &mut state, input, &()).expect("a token");
    assert!(
        state.kept() == states[3].kept(),
        "as if nothing had happened"
    );
}

#[test]
fn a_state_that_no_session_of_the_circuit_can_have_is_refused() {
    let malformed = |bytes: &[u8]| {
        let error = read(bytes).err();
        assert!(
            matches!(error, Some(FheError::Malformed { .. })),
            "{error:?}"
        );
    };
    // The position is the first number behind the name of the set, one byte a cache follows it after its length.
    let good = bytes(1);
    let name = INSECURE_PRECISE.name.as_bytes();
    let at = good.windows(name.len()).position(|window| window == name);
    let at = at.expect("the set is named") + name.len();
    assert_eq!(good[at..at + 8], 1u64.to_le_bytes());
    for position in [0, 5, u64::MAX] {
        let mut changed = good.clone();
        changed[at..at + 8].copy_from_slice(&position.to_le_bytes());
        seal(&mut changed);
        malformed(&changed);
    }
    let caches = fixture().circuit.caches();
    assert_eq!(good[at + 8..at + 16], (caches as u64).to_le_bytes());
    let mut fewer = good.clone();
    fewer[at + 16] = 0;
    seal(&mut fewer);
    malformed(&fewer);
    let mut of_nothing = bytes(0);
    of_nothing[at + 16] = 1;
    seal(&mut of_nothing);
    malformed(&of_nothing);
}

#[test]
fn a_state_of_another_set_or_size_is_refused() {
    let mut renamed = bytes(1);
    let name = INSECURE_PRECISE.name.as_bytes();
    let at = renamed
        .windows(name.len())
        .position(|window| window == name);
    renamed[at.expect("the set is named")] ^= 1;
    seal(&mut renamed);
    let error = read(&renamed).err();
    assert!(
        matches!(error, Some(FheError::ParameterSet { .. })),
        "{error:?}"
    );
    let large = vec![0; state_limit(&fixture().circuit) + 1];
    let error = read(&large).err();
    assert!(
        matches!(error, Some(FheError::TooLarge { .. })),
        "{error:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn damage_is_noticed(position in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut flipped = bytes(2);
        let at = position.index(flipped.len());
        flipped[at] ^= 1 << bit;
        prop_assert!(read(&flipped).is_err());
        flipped.truncate(at);
        prop_assert!(read(&flipped).is_err());
    }

    #[test]
    fn sealed_garbage_is_refused_without_a_panic(content in prop::collection::vec(any::<u8>(), 0..4096)) {
        let mut sealed = vec![0; 32];
        sealed.extend(content);
        seal(&mut sealed);
        prop_assert!(read(&sealed).is_err());
    }

    #[test]
    fn resealed_damage_never_panics(distance in 0..300usize, from_the_end in any::<bool>(), value in any::<u8>()) {
        let mut changed = bytes(2);
        let last = changed.len() - 1;
        changed[if from_the_end { last - distance } else { 32 + distance }] = value;
        seal(&mut changed);
        let _ = read(&changed);
    }
}
