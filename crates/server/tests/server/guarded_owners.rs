//! Tokens own keys and sessions, and have budgets: over HTTP, as clients see it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use cipherformer_protocol::{KeyId, ProblemKind, SessionId, SessionInfo, routes};
use cipherformer_server::TokenFile;

use crate::names::circuit;
use crate::texts::{WRITER, sessions};
use crate::world::{Answer, CLIENT, World, before_midnight, evaluation};

/// Longer than a running server takes to see that its tokens have changed.
const SEEN: Duration = Duration::from_millis(1100);

/// A server whose clients have tokens of these names and budgets; the tokens in the same order.
fn guarded<const N: usize>(names: [(&str, Option<u64>); N]) -> (World, TokenFile, [String; N]) {
    let mut made = None;
    let world = World::with(|config| {
        circuit("names")
            .save(&config.circuits.join("names"))
            .expect("saved");
        let path = config.data_dir.with_file_name("tokens.toml");
        let file = TokenFile::new(&path);
        config.tokens = Some(path);
        let tokens = names.map(|(name, budget)| file.add(name, budget, None).expect("added"));
        made = Some((file, tokens));
    });
    let (file, tokens) = made.expect("just made");
    (world, file, tokens)
}

async fn send(
    world: &World,
    token: &str,
    method: Method,
    path: &str,
    body: impl Into<Body>,
) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {token}"));
    world
        .request(request.body(body.into()).expect("valid"))
        .await
}

async fn register(world: &World, token: &str) -> StatusCode {
    let path = routes::key_upload(&CLIENT.id, "insecure-toy");
    let answer = send(world, token, Method::PUT, &path, CLIENT.key.clone()).await;
    answer.status
}

async fn evaluate(world: &World, token: &str) -> Answer {
    let input = CLIENT.input.clone();
    send(world, token, Method::POST, &evaluation(), input).await
}

/// What is asked of a key, and must not work with the token of another.
async fn ask_of_key(world: &World, token: &str, id: &KeyId) -> [Answer; 3] {
    let path = routes::key(id);
    let evaluation = evaluation().replace(&CLIENT.id.to_string(), &id.to_string());
    let input = CLIENT.input.clone();
    [
        send(world, token, Method::GET, &path, "").await,
        send(world, token, Method::POST, &evaluation, input).await,
        send(world, token, Method::DELETE, &path, "").await,
    ]
}

/// The same of a session.
async fn ask_of_session(world: &World, token: &str, id: &SessionId) -> [Answer; 4] {
    let session = routes::session(id, &WRITER.id);
    let logits = routes::logits(id, &WRITER.id);
    let tokens = routes::tokens(id, &WRITER.id, 0);
    let body = WRITER.encrypt(&[0]);
    [
        send(world, token, Method::GET, &session, "").await,
        send(world, token, Method::GET, &logits, "").await,
        send(world, token, Method::POST, &tokens, body).await,
        send(world, token, Method::DELETE, &session, "").await,
    ]
}

#[tokio::test]
async fn a_key_is_its_tokens_alone() {
    let (world, _, [alice, bob]) = guarded([("alice", None), ("bob", None)]);
    assert_eq!(register(&world, &alice).await, StatusCode::CREATED);
    let mut details = Vec::new();
    for id in [CLIENT.id.clone(), KeyId::of(b"never registered")] {
        for answer in ask_of_key(&world, &bob, &id).await {
            let problem = answer.problem();
            assert_eq!(problem.kind, ProblemKind::UnknownKey);
            details.push(problem.detail.replace(&id.to_string(), "ID"));
        }
    }
    details.dedup();
    assert_eq!(details.len(), 1, "nothing tells them apart: {details:?}");
    let [shown, evaluated, deleted] = ask_of_key(&world, &alice, &CLIENT.id).await;
    assert_eq!(shown.status, StatusCode::OK);
    CLIENT.check(&evaluated.body);
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_session_is_its_tokens_alone() {
    let (world, _, [alice, bob]) = guarded([("alice", None), ("bob", None)]);
    for token in [&alice, &bob] {
        let path = routes::key_upload(&WRITER.id, "insecure-precise");
        let answer = send(&world, token, Method::PUT, &path, WRITER.key.clone()).await;
        assert_eq!(answer.status, StatusCode::CREATED);
    }
    let opened = send(&world, &alice, Method::POST, &sessions(), "").await;
    let id = opened.json::<SessionInfo>().id;
    let mut details = Vec::new();
    for id in [&id, &SessionId::new(1)] {
        for answer in ask_of_session(&world, &bob, id).await {
            let problem = answer.problem();
            assert_eq!(problem.kind, ProblemKind::UnknownSession);
            details.push(problem.detail);
        }
    }
    details.dedup();
    assert_eq!(details.len(), 1, "nothing tells them apart: {details:?}");
    let [shown, no_logits, step, closed] = ask_of_session(&world, &alice, &id).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert_eq!(no_logits.problem().kind, ProblemKind::SessionPosition);
    WRITER.check(&step.body, &[0]);
    assert_eq!(closed.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_budget_is_the_tokens_and_no_more_is_evaluated() {
    before_midnight().await;
    let (world, file, [alice, bob]) = guarded([("alice", Some(2)), ("bob", None)]);
    for token in [&alice, &bob] {
        register(&world, token).await;
    }
    for _ in 0..2 {
        CLIENT.check(&evaluate(&world, &alice).await.body);
    }
    let exhausted = evaluate(&world, &alice).await;
    assert_eq!(exhausted.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(exhausted.headers.contains_key("retry-after"));
    let problem = exhausted.problem();
    assert_eq!(problem.kind, ProblemKind::BudgetExhausted);
    CLIENT.check(&evaluate(&world, &bob).await.body);
    // Another token of the same name is the same client, whose day is not over.
    file.revoke("alice").expect("there");
    let alice = file.add("alice", Some(3), None).expect("added");
    tokio::time::sleep(SEEN).await;
    CLIENT.check(&evaluate(&world, &alice).await.body);
    let problem = evaluate(&world, &alice).await.problem();
    assert_eq!(problem.kind, ProblemKind::BudgetExhausted);
}

/// What a revoked token owned waits for another of its name, and is nobody else's.
#[tokio::test]
async fn names_own_rather_than_tokens() {
    let (world, file, [alice, bob]) = guarded([("alice", None), ("bob", None)]);
    assert_eq!(register(&world, &alice).await, StatusCode::CREATED);
    file.revoke("alice").expect("there");
    let again = file.add("alice", None, None).expect("added");
    let carol = file.add("carol", None, None).expect("added");
    tokio::time::sleep(SEEN).await;
    assert_eq!(
        evaluate(&world, &alice).await.status,
        StatusCode::UNAUTHORIZED
    );
    CLIENT.check(&evaluate(&world, &again).await.body);
    for other in [&bob, &carol] {
        assert_eq!(evaluate(&world, other).await.status, StatusCode::NOT_FOUND);
    }
}
