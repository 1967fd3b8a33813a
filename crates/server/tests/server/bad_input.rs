//! Every mistake a client can make gets its own answer, and harms nobody.

use axum::body::Body;
use axum::http::{Method, Request};
use cipherformer_protocol::{KeyId, ProblemKind, routes};
use futures_util::stream;

use crate::world::{CLIENT, World, evaluation, flipped, manifest};

/// Sends something wrong, expects this problem, and that a good request still works.
async fn expect(world: &World, request: Request<Body>, kind: ProblemKind, detail: &str) {
    let what = format!("{} {}", request.method(), request.uri());
    let problem = world.request(request).await.problem();
    assert_eq!(problem.kind, kind, "{what}: {}", problem.detail);
    assert!(
        problem.detail.contains(detail),
        "{what}: {}",
        problem.detail
    );
    assert!(!problem.detail.contains("/tmp"), "no path of the server");
    world.check_works().await;
}

fn request(method: Method, path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.body(body.into()).expect("valid")
}

async fn registered() -> World {
    let world = World::new();
    world.register().await;
    world
}

#[tokio::test]
async fn addresses() {
    let world = registered().await;
    let digest = &manifest().digest;
    let other = KeyId::of(b"other");
    let evaluations = routes::evaluations("test", &CLIENT.id, digest);
    for (method, path, kind, detail) in [
        ("GET", "/", ProblemKind::UnknownRoute, "/v1/circuits"),
        ("GET", "/v1/circuits/", ProblemKind::UnknownRoute, "nothing"),
        (
            "DELETE",
            "/v1/circuits",
            ProblemKind::MethodNotAllowed,
            "DELETE",
        ),
        ("GET", &evaluations, ProblemKind::MethodNotAllowed, "Allow"),
        (
            "GET",
            "/v1/circuits/nope",
            ProblemKind::UnknownCircuit,
            "offers test",
        ),
        (
            "GET",
            "/v1/circuits/..%2Ftest",
            ProblemKind::UnknownCircuit,
            "offers test",
        ),
        (
            "GET",
            "/v1/circuits/%ff",
            ProblemKind::MalformedRequest,
            "UTF-8",
        ),
        (
            "GET",
            "/v1/circuits/nope/vocabulary",
            ProblemKind::UnknownCircuit,
            "offers test",
        ),
        (
            "GET",
            "/v1/keys/1234",
            ProblemKind::MalformedRequest,
            "64 hexadecimal",
        ),
        (
            "GET",
            "/v1/keys/..%2F..%2Flock",
            ProblemKind::MalformedRequest,
            "64 hexadecimal",
        ),
        (
            "GET",
            &routes::key(&other),
            ProblemKind::UnknownKey,
            "register it",
        ),
        (
            "PUT",
            &routes::key(&other),
            ProblemKind::MalformedRequest,
            "parameter_set",
        ),
        (
            "PUT",
            &routes::key_upload(&other, "x"),
            ProblemKind::WrongParameterSet,
            "standard-2048",
        ),
    ] {
        let method = method.parse().expect("a method");
        expect(&world, request(method, path, Body::empty()), kind, detail).await;
    }
}

#[tokio::test]
async fn evaluations_of_what_is_not_there() {
    let world = registered().await;
    let digest = &manifest().digest;
    let other = KeyId::of(b"other");
    for (path, kind, detail) in [
        (
            routes::evaluations("nope", &CLIENT.id, digest),
            ProblemKind::UnknownCircuit,
            "offers",
        ),
        (
            routes::evaluations("test", &CLIENT.id, "old"),
            ProblemKind::StaleCircuit,
            "fetch",
        ),
        (
            routes::evaluations("test", &other, digest),
            ProblemKind::UnknownKey,
            "register it",
        ),
        (
            format!("/v1/circuits/test/evaluations?key={other}"),
            ProblemKind::MalformedRequest,
            "digest",
        ),
        (
            "/v1/circuits/test/evaluations".to_owned(),
            ProblemKind::MalformedRequest,
            "key",
        ),
        (
            format!("/v1/circuits/test/evaluations?key=12&digest={digest}"),
            ProblemKind::MalformedRequest,
            "64 hexadecimal",
        ),
    ] {
        let request = request(Method::POST, &path, CLIENT.input.clone());
        expect(&world, request, kind, detail).await;
    }
}

#[tokio::test]
async fn inputs() {
    let world = registered().await;
    let input = &CLIENT.input;
    let end = input.len();
    for (body, detail) in [
        (Vec::new(), "too few"),
        (input[..end / 2].to_vec(), "damaged"),
        (input[..end - 1].to_vec(), "damaged"),
        (flipped(input, 0), "damaged"),
        (flipped(input, end / 2), "damaged"),
        (flipped(input, end - 1), "damaged"),
        (b"this is my secret text".to_vec(), "too few"),
    ] {
        let request = request(Method::POST, &evaluation(), body);
        expect(&world, request, ProblemKind::MalformedInput, detail).await;
    }
    let key = request(Method::POST, &evaluation(), CLIENT.key.clone());
    expect(&world, key, ProblemKind::TooLarge, "encrypted input").await;
}

#[tokio::test]
async fn keys() {
    let world = registered().await;
    let key = &CLIENT.key;
    let path = routes::key_upload(&CLIENT.id, "insecure-toy");
    for body in [
        Vec::new(),
        key[..key.len() / 2].to_vec(),
        flipped(key, key.len() / 3),
        flipped(key, 0),
    ] {
        let other = request(Method::PUT, &path, body.clone());
        expect(&world, other, ProblemKind::MalformedKey, "send it again").await;
        // The same bytes under their own id are no key either.
        let path = routes::key_upload(&KeyId::of(&body), "insecure-toy");
        let own = request(Method::PUT, &path, body);
        expect(&world, own, ProblemKind::MalformedKey, "evaluation key").await;
    }
    let path = routes::key_upload(&KeyId::of(&CLIENT.input), "insecure-toy");
    let input = request(Method::PUT, &path, CLIENT.input.clone());
    expect(
        &world,
        input,
        ProblemKind::MalformedKey,
        "not a usable evaluation key",
    )
    .await;
}

#[tokio::test]
async fn keys_of_another_parameter_set() {
    let world = registered().await;
    let path = routes::key_upload(&CLIENT.id, "standard-2048");
    let upload = request(Method::PUT, &path, CLIENT.key.clone());
    expect(
        &world,
        upload,
        ProblemKind::WrongParameterSet,
        "standard-2048",
    )
    .await;
    // A registered key of the other set; it is refused before it is read.
    let other = KeyId::of(b"other");
    let row = "INSERT INTO keys VALUES ('', ?, 'standard-2048', 5, 0, 0)";
    let inserted = world.database().execute(row, [other.to_string()]);
    assert_eq!(inserted.expect("a row"), 1);
    let path = routes::evaluations("test", &other, &manifest().digest);
    let evaluation = request(Method::POST, &path, CLIENT.input.clone());
    let detail = "make and register one for insecure-toy";
    expect(&world, evaluation, ProblemKind::WrongParameterSet, detail).await;
}

#[tokio::test]
async fn bodies_over_the_limit() {
    let world = registered().await;
    let upload = routes::key_upload(&CLIENT.id, "insecure-toy");
    for (method, path) in [(Method::PUT, upload), (Method::POST, evaluation())] {
        let announced = Request::builder()
            .method(&method)
            .uri(&path)
            .header("content-length", "99999999999")
            .body(Body::empty());
        let announced = announced.expect("valid");
        expect(&world, announced, ProblemKind::TooLarge, "larger than").await;
        // Endless pieces without a length: only so many are taken.
        let pieces = stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0u8; 65_536]));
        let endless = request(method, &path, Body::from_stream(pieces));
        expect(&world, endless, ProblemKind::TooLarge, "larger than").await;
    }
}

#[tokio::test]
async fn bodies_that_break_off() {
    let world = registered().await;
    let upload = routes::key_upload(&CLIENT.id, "insecure-toy");
    for (method, path) in [(Method::PUT, upload), (Method::POST, evaluation())] {
        let pieces = [
            Ok(CLIENT.input[..100].to_vec()),
            Err(std::io::Error::other("gone")),
        ];
        let broken = request(method, &path, Body::from_stream(stream::iter(pieces)));
        expect(
            &world,
            broken,
            ProblemKind::MalformedRequest,
            "send the request again",
        )
        .await;
    }
    let incoming = world.config.data_dir.join("incoming");
    assert_eq!(
        crate::world::names(incoming).len(),
        1,
        "the part of a key waits for the rest, nothing else does"
    );
}
