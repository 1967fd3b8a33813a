//! Whatever bytes arrive, it is the client's fault, never the server's.

use std::sync::LazyLock;

use axum::http::Method;
use cipherformer_protocol::{KeyId, routes};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::world::{CLIENT, World, evaluation, manifest};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let world = World::new();
    RUNTIME.block_on(world.register());
    world
});

/// Sends a body as input and as key; any answer but a problem of the client's making is a failure.
fn check(body: Vec<u8>) -> Result<(), TestCaseError> {
    let upload = routes::key_upload(&KeyId::of(&body), "insecure-toy");
    for (method, path) in [(Method::POST, evaluation()), (Method::PUT, upload)] {
        let answer = RUNTIME.block_on(WORLD.send(method, &path, body.clone()));
        prop_assert!(answer.status.is_client_error(), "{answer:?}");
        prop_assert_eq!(answer.problem().status, answer.status.as_u16());
    }
    Ok(())
}

/// Content behind its right checksum, so that what reads the content is reached.
fn sealed(content: &[u8]) -> Vec<u8> {
    let hex = KeyId::of(content).to_string();
    let byte = |i: usize| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex");
    let mut bytes: Vec<u8> = (0..32).map(byte).collect();
    bytes.extend_from_slice(content);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bodies_are_refused(body in prop::collection::vec(any::<u8>(), 0..4096)) {
        check(body)?;
    }

    #[test]
    fn random_content_behind_a_right_checksum_is_refused(
        content in prop::collection::vec(any::<u8>(), 0..4096),
    ) {
        check(sealed(&content))?;
    }

    /// Headers, lengths and seeds changed: the bytes that decide how the rest is read. A change that
    /// only touches numbers makes another valid ciphertext or key, so this looks for failures of the
    /// server only.
    #[test]
    fn changed_headers_never_break_the_server(
        position in 0..200usize,
        from_end in any::<bool>(),
        value in any::<u8>(),
        key in any::<bool>(),
    ) {
        let mut content = (if key { &CLIENT.key } else { &CLIENT.input })[32..].to_vec();
        let position = if from_end { content.len() - 1 - position } else { position };
        content[position] = value;
        let body = sealed(&content);
        let (id, input) = if key { (KeyId::of(&body), &CLIENT.input) } else { (CLIENT.id.clone(), &body) };
        let upload = routes::key_upload(&id, "insecure-toy");
        let evaluation = routes::evaluations("test", &id, &manifest().digest);
        let mut requests = vec![(Method::POST, evaluation, input)];
        if key {
            requests.insert(0, (Method::PUT, upload, &body));
        }
        for (method, path, body) in requests {
            let answer = RUNTIME.block_on(WORLD.send(method, &path, body.clone()));
            prop_assert!(!answer.status.is_server_error(), "{answer:?}");
        }
    }
}
