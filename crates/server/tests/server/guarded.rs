//! Tokens: who brings none that is good gets nothing.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use cipherformer_protocol::{ProblemKind, SessionId, routes};
use cipherformer_server::{Server, StartError, TokenError, TokenFile};
use futures_util::stream;

use crate::world::{Answer, CLIENT, World, evaluation};

/// A server that asks for tokens, and its file of them.
fn guarded() -> (World, TokenFile) {
    let mut file = None;
    let world = World::with(|config| {
        let path = config.data_dir.with_file_name("tokens.toml");
        let tokens = TokenFile::new(&path);
        tokens.add("somebody", None, None).expect("added");
        config.tokens = Some(path);
        file = Some(tokens);
    });
    (world, file.expect("made"))
}

fn with(authorization: &str, method: Method, path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", authorization);
    request.body(body.into()).expect("valid")
}

async fn list(world: &World, authorization: &str) -> Answer {
    let request = with(authorization, Method::GET, routes::CIRCUITS, "");
    world.request(request).await
}

fn check_refused(answer: &Answer, detail: &str) {
    let problem = answer.problem();
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(problem.kind, ProblemKind::Unauthorized);
    assert!(problem.detail.contains(detail), "{}", problem.detail);
    assert!(answer.header("www-authenticate").starts_with("Bearer "));
}

#[tokio::test]
async fn without_a_token_every_address_says_the_same() {
    let (world, _) = guarded();
    let session = SessionId::new(1);
    for (method, path) in [
        ("GET", routes::CIRCUITS.to_owned()),
        ("GET", routes::circuit("test")),
        ("GET", routes::circuit("nope")),
        ("GET", routes::vocabulary("test")),
        ("GET", routes::key(&CLIENT.id)),
        ("PUT", routes::key_upload(&CLIENT.id, "insecure-toy")),
        ("POST", evaluation()),
        ("POST", routes::sessions("test", &CLIENT.id, "x")),
        ("GET", routes::session(&session, &CLIENT.id)),
        ("DELETE", routes::session(&session, &CLIENT.id)),
        ("POST", routes::tokens(&session, &CLIENT.id, 0)),
        ("GET", routes::logits(&session, &CLIENT.id)),
        ("DELETE", routes::CIRCUITS.to_owned()),
        ("GET", "/".to_owned()),
        ("GET", "/healthz/".to_owned()),
        ("GET", "//metrics".to_owned()),
        ("GET", "/no/such/thing".to_owned()),
    ] {
        let method = method.parse().expect("a method");
        let answer = world.send(method, &path, "").await;
        check_refused(&answer, "asks for a token");
        assert!(answer.headers.contains_key("x-request-id"));
    }
}

#[tokio::test]
async fn what_says_nothing_of_clients_needs_none() {
    let (world, _) = guarded();
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        let answer = world.get(path).await;
        assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn with_a_token_everything_works() {
    let (world, file) = guarded();
    let token = format!("Bearer {}", file.add("alice", None, None).expect("added"));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let path = routes::key_upload(&CLIENT.id, "insecure-toy");
    let upload = with(&token, Method::PUT, &path, CLIENT.key.clone());
    assert_eq!(world.request(upload).await.status, StatusCode::CREATED);
    let evaluate = with(&token, Method::POST, &evaluation(), CLIENT.input.clone());
    let answer = world.request(evaluate).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    CLIENT.check(&answer.body);
    let unknown = with(&token, Method::GET, "/no/such/thing", "");
    let unknown = world.request(unknown).await.problem();
    assert_eq!(unknown.kind, ProblemKind::UnknownRoute);
}

#[tokio::test]
async fn what_is_no_good_token_is_refused() {
    let (world, file) = guarded();
    let good = file.add("alice", None, None).expect("added");
    let past = "2001-01-01T00:00:00Z".parse().expect("a moment");
    let old = file.add("old", None, Some(past)).expect("added");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for fine in [format!("Bearer {good}"), format!("bearer  {good}")] {
        assert_eq!(list(&world, &fine).await.status, StatusCode::OK, "{fine}");
    }
    for (wrong, detail) in [
        (String::new(), "asks for a token"),
        (good.clone(), "asks for a token"),
        (format!("Basic {good}"), "asks for a token"),
        (format!("Bearer {good}x"), "does not know"),
        (
            format!("Bearer {}", &good[..good.len() - 1]),
            "does not know",
        ),
        (format!("Bearer {}", good.to_uppercase()), "does not know"),
        ("Bearer ".to_owned(), "does not know"),
        ("Bearer alice".to_owned(), "does not know"),
        (format!("Bearer {}", "x".repeat(5000)), "does not know"),
        (format!("Bearer {old}"), "expired on 2001-01-01"),
    ] {
        let answer = list(&world, &wrong).await;
        check_refused(&answer, detail);
        assert!(!answer.problem().detail.contains(&good[4..]));
    }
    let twice = Request::get(routes::CIRCUITS)
        .header("authorization", format!("Bearer {good}"))
        .header("authorization", "Bearer other");
    let twice = twice.body(Body::empty()).expect("valid");
    check_refused(&world.request(twice).await, "asks for a token");
}

#[tokio::test]
async fn a_revoked_token_is_worth_nothing_without_a_restart() {
    let (world, file) = guarded();
    let token = format!("Bearer {}", file.add("alice", None, None).expect("added"));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(list(&world, &token).await.status, StatusCode::OK);
    file.revoke("alice").expect("there");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    check_refused(&list(&world, &token).await, "not any more");
}

/// An endless body would never end if it were read.
#[tokio::test]
async fn nothing_is_read_of_what_a_stranger_sends() {
    let (world, _) = guarded();
    let pieces = stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0u8; 65_536]));
    let path = routes::key_upload(&CLIENT.id, "insecure-toy");
    let body = Body::from_stream(pieces);
    let answer = world
        .request(with("Bearer x", Method::PUT, &path, body))
        .await;
    check_refused(&answer, "does not know");
}

#[test]
fn a_server_does_not_start_without_the_tokens_it_should_ask_for() {
    let world = World::new();
    let mut config = world.config.clone();
    config.tokens = Some(config.data_dir.join("no-such-file"));
    let error = Server::open(&config).expect_err("no tokens");
    assert!(matches!(
        error,
        StartError::Tokens(TokenError::Missing { .. })
    ));
    assert!(error.to_string().contains("tokens add"), "{error}");
}
