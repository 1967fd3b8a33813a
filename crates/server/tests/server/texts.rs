//! A client of the tiny transformer: what it sends, and what it must get.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use cipherformer_circuit::parameters::INSECURE_PRECISE;
use cipherformer_circuit::{Bag, Circuit, Plain};
#[expect(clippy::disallowed_types, reason = "these tests play the client too")]
use cipherformer_fhe::SecretKey;
use cipherformer_fhe::{EncryptedBag, EncryptedScores, SeededEvaluationKey};
use cipherformer_protocol::{KeyId, SessionId, SessionInfo, frame, routes};
use cipherformer_server::Config;

use crate::names::{TOKENS, circuit};
use crate::world::{Answer, World};

/// What noise may change a logit by: nearly seven standard deviations.
const TOLERANCE: f64 = 1.0;

/// Keys for the tiny transformer.
#[expect(clippy::disallowed_types, reason = "these tests play the client too")]
pub(crate) struct Writer {
    secret: SecretKey,
    pub(crate) key: Vec<u8>,
    pub(crate) id: KeyId,
}

pub(crate) static WRITER: LazyLock<Writer> = LazyLock::new(Writer::new);

static NAMES: LazyLock<Circuit> = LazyLock::new(|| circuit("names"));

impl Writer {
    #[expect(clippy::disallowed_types, reason = "these tests play the client too")]
    fn new() -> Self {
        let secret = SecretKey::generate(&INSECURE_PRECISE);
        let key = SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
        let id = KeyId::of(&key);
        Self { secret, key, id }
    }

    /// A body of these tokens.
    pub(crate) fn encrypt(&self, tokens: &[usize]) -> Vec<u8> {
        let encrypt = |&token: &usize| {
            let bag = Bag::token(token);
            let bag = EncryptedBag::encrypt(&bag, NAMES.manifest(), &self.secret);
            bag.expect("a token").to_bytes()
        };
        frame(&tokens.iter().map(encrypt).collect::<Vec<_>>())
    }

    /// Checks the logits after these tokens against the reference evaluator's.
    pub(crate) fn check(&self, output: &[u8], tokens: &[usize]) {
        let scores = EncryptedScores::from_bytes(output, TOKENS, &INSECURE_PRECISE);
        let scores = scores.expect("an output");
        let torus = scores.decrypt(&self.secret).expect("same parameters");
        let expected = reference(tokens);
        for (got, expected) in NAMES.scores(&torus).iter().zip(&expected) {
            assert!((got - expected).abs() < TOLERANCE, "{got}, not {expected}");
        }
    }
}

/// Makes sure that [`Writer::check`] would notice if one of these texts were taken for the other.
pub(crate) fn check_distinct(tokens: &[usize], others: &[usize]) {
    let (these, those) = (reference(tokens), reference(others));
    let distances = these.iter().zip(&those).map(|(a, b)| (a - b).abs());
    let farthest = distances.fold(0.0, f64::max);
    assert!(farthest > 2.0 * TOLERANCE, "only {farthest} apart");
}

fn reference(tokens: &[usize]) -> Vec<f64> {
    let bags: Vec<Bag> = tokens.iter().copied().map(Bag::token).collect();
    let outputs = Plain::reference().outputs(&NAMES, &bags).expect("valid");
    outputs.last().expect("at least one token").clone()
}

/// A server with the tiny transformer too, and its client's key.
pub(crate) async fn world(change: impl FnOnce(&mut Config)) -> World {
    let world = World::with(|config| {
        save(config);
        change(config);
    });
    register(&world).await;
    world
}

/// Puts the tiny transformer among the circuits.
pub(crate) fn save(config: &Config) {
    NAMES.save(&config.circuits.join("names")).expect("saved");
}

pub(crate) async fn register(world: &World) {
    let path = routes::key_upload(&WRITER.id, INSECURE_PRECISE.name);
    let answer = world.send(Method::PUT, &path, WRITER.key.clone()).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

/// Path and query for a new session.
pub(crate) fn sessions() -> String {
    routes::sessions("names", &WRITER.id, &NAMES.manifest().digest)
}

pub(crate) async fn open(world: &World) -> SessionInfo {
    let answer = world.send(Method::POST, &sessions(), Body::empty()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

pub(crate) async fn append(world: &World, id: &SessionId, at: usize, tokens: &[usize]) -> Answer {
    let path = routes::tokens(id, &WRITER.id, at);
    world
        .send(Method::POST, &path, WRITER.encrypt(tokens))
        .await
}

pub(crate) async fn close(world: &World, id: &SessionId) -> Answer {
    let path = routes::session(id, &WRITER.id);
    world.send(Method::DELETE, &path, Body::empty()).await
}

pub(crate) async fn show(world: &World, id: &SessionId) -> SessionInfo {
    world.get(&routes::session(id, &WRITER.id)).await.json()
}
