//! Every mistake a client can make with sessions gets its own answer.

use axum::body::Body;
use axum::http::Method;
use cipherformer_protocol::{KeyId, ProblemKind, SessionId, frame, routes};

use crate::names::{CONTEXT, TOKENS};
use crate::texts::{WRITER, append, close, open, sessions, show, world};
use crate::world::{Answer, CLIENT, World, manifest};

async fn post(world: &World, path: &str, body: impl Into<Body>) -> Answer {
    world.send(Method::POST, path, body).await
}

fn expect(answer: &Answer, kind: ProblemKind, detail: &str) {
    let problem = answer.problem();
    assert_eq!(problem.kind, kind, "{}", problem.detail);
    assert!(problem.detail.contains(detail), "{}", problem.detail);
}

#[tokio::test]
async fn circuits_are_asked_in_the_way_they_work() {
    let world = world(|_| ()).await;
    world.register().await;
    let wrong = ProblemKind::WrongOperation;
    let path = routes::sessions("test", &CLIENT.id, &manifest().digest);
    let answer = post(&world, &path, Body::empty()).await;
    expect(&answer, wrong, "/v1/circuits/test/evaluations");
    let path = sessions().replace("/sessions?", "/evaluations?");
    let answer = post(&world, &path, WRITER.encrypt(&[0])).await;
    expect(&answer, wrong, "/v1/circuits/names/sessions");
}

#[tokio::test]
async fn sessions_cannot_be_opened_for_what_is_not_there() {
    let world = world(|_| ()).await;
    let other = KeyId::of(b"other");
    let unregistered = sessions().replace(&WRITER.id.to_string(), &other.to_string());
    for (path, kind, detail) in [
        (
            routes::sessions("nope", &WRITER.id, "0"),
            ProblemKind::UnknownCircuit,
            "offers names",
        ),
        (
            routes::sessions("names", &WRITER.id, "old"),
            ProblemKind::StaleCircuit,
            "fetch",
        ),
        (unregistered, ProblemKind::UnknownKey, "register it"),
        (
            "/v1/circuits/names/sessions".to_owned(),
            ProblemKind::MalformedRequest,
            "key",
        ),
    ] {
        expect(&post(&world, &path, Body::empty()).await, kind, detail);
    }
    let answer = world.get(&sessions()).await;
    expect(&answer, ProblemKind::MethodNotAllowed, "Allow");
}

#[tokio::test]
async fn sessions_of_others_are_as_unknown_as_those_that_never_were() {
    let world = world(|_| ()).await;
    world.register().await;
    let id = open(&world).await.id;
    let unknown = SessionId::new(1);
    let mut details = Vec::new();
    for (id, key) in [(&id, &CLIENT.id), (&unknown, &WRITER.id)] {
        let path = routes::session(id, key);
        let mut answers = vec![
            world.get(&path).await,
            world.get(&routes::logits(id, key)).await,
            world.send(Method::DELETE, &path, Body::empty()).await,
        ];
        let tokens = routes::tokens(id, key, 0);
        answers.push(post(&world, &tokens, WRITER.encrypt(&[0])).await);
        for answer in answers {
            expect(&answer, ProblemKind::UnknownSession, "10 minutes");
            details.push(answer.problem().detail);
        }
    }
    details.dedup();
    assert_eq!(details.len(), 1, "nothing tells them apart");
    assert_eq!(show(&world, &id).await.position, 0);
}

#[tokio::test]
async fn addresses_of_sessions_must_make_sense() {
    let world = world(|_| ()).await;
    let id = open(&world).await.id;
    let malformed = ProblemKind::MalformedRequest;
    for (path, detail) in [
        (
            format!("/v1/sessions/1234?key={}", WRITER.id),
            "32 hexadecimal",
        ),
        (format!("/v1/sessions/{id}"), "key"),
        (format!("/v1/sessions/{id}?key=12"), "64 hexadecimal"),
    ] {
        expect(&world.get(&path).await, malformed, detail);
    }
    let tokens = routes::tokens(&id, &WRITER.id, 0);
    for path in [
        tokens.replace("&position=0", ""),
        tokens.replace("=0", "=-1"),
        tokens.replace("=0", "=many"),
    ] {
        let answer = post(&world, &path, WRITER.encrypt(&[0])).await;
        expect(&answer, malformed, "position");
    }
}

#[tokio::test]
async fn unusable_tokens_change_nothing() {
    let world = world(|_| ()).await;
    let id = open(&world).await.id;
    let tokens = routes::tokens(&id, &WRITER.id, 0);
    let good = WRITER.encrypt(&[0, 1]);
    let mut flipped = good.clone();
    flipped[100] ^= 1;
    let malformed = ProblemKind::MalformedInput;
    for (body, kind, detail) in [
        (Vec::new(), malformed, "at least one encrypted token"),
        (
            good[..good.len() - 1].to_vec(),
            malformed,
            "behind its length",
        ),
        (good[4..].to_vec(), malformed, "behind its length"),
        (frame(&[Vec::new()]), malformed, "too few"),
        (flipped, malformed, "damaged"),
        (
            frame(std::slice::from_ref(&CLIENT.input)),
            ProblemKind::WrongParameterSet,
            "make a key for insecure-precise",
        ),
        (frame(&[vec![0; 10_000]]), ProblemKind::TooLarge, "at most"),
        (vec![0; 1 << 20], ProblemKind::TooLarge, "encrypted tokens"),
        (
            WRITER.encrypt(&[1; CONTEXT + 1]),
            ProblemKind::ContextExceeded,
            "position 0 of 4",
        ),
    ] {
        let length = body.len();
        let answer = post(&world, &tokens, body).await;
        let problem = answer.problem();
        assert_eq!(problem.kind, kind, "{length} bytes: {}", problem.detail);
        assert!(problem.detail.contains(detail), "{}", problem.detail);
    }
    let ahead = append(&world, &id, 1, &[TOKENS - 1]).await;
    expect(&ahead, ProblemKind::SessionPosition, "at position 0");
    let none = world.get(&routes::logits(&id, &WRITER.id)).await;
    expect(&none, ProblemKind::SessionPosition, "no logits yet");
    let info = show(&world, &id).await;
    assert_eq!((info.position, info.busy), (0, false));
}

#[tokio::test]
async fn an_expired_session_is_unknown() {
    let world = world(|config| config.session_minutes = 0).await;
    let id = open(&world).await.id;
    let answer = world.get(&routes::session(&id, &WRITER.id)).await;
    expect(
        &answer,
        ProblemKind::UnknownSession,
        "send all tokens again",
    );
    for _ in 0..100 {
        open(&world).await; // the expired ones make room
    }
}

#[tokio::test]
async fn there_are_only_so_many_sessions() {
    let world = world(|config| config.sessions = 2).await;
    let first = open(&world).await.id;
    open(&world).await;
    let full = post(&world, &sessions(), Body::empty()).await;
    expect(&full, ProblemKind::TooManySessions, "the server has");
    assert!(
        !full.headers.contains_key("retry-after"),
        "seconds do not help"
    );
    close(&world, &first).await;
    open(&world).await;
}

#[tokio::test]
async fn a_key_can_have_only_so_many_sessions() {
    let world = world(|_| ()).await;
    let first = open(&world).await.id;
    for _ in 1..16 {
        open(&world).await;
    }
    let full = post(&world, &sessions(), Body::empty()).await;
    expect(&full, ProblemKind::TooManySessions, "this key has 16");
    assert!(
        !full.headers.contains_key("retry-after"),
        "seconds do not help"
    );
    close(&world, &first).await;
    open(&world).await;
}
