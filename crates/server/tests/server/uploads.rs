//! Uploads that break off, and go on.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use cipherformer_protocol::{KeyInfo, ProblemKind, routes, upload};
use cipherformer_server::Owner;
use futures_util::stream;
use tokio::sync::mpsc;

use crate::world::{Answer, CLIENT, World, named, names};

/// More than one piece that is written at once.
const HALF: usize = 300_001;

fn put() -> String {
    routes::key_upload(&CLIENT.id, "insecure-toy")
}

fn rest() -> String {
    routes::resumed_upload(&CLIENT.id, "insecure-toy")
}

/// A body that ends in the middle of the connection.
fn broken(bytes: &[u8]) -> Body {
    let gone = Err(io::Error::other("gone"));
    Body::from_stream(stream::iter([Ok(bytes.to_vec()), gone]))
}

async fn begin(world: &World) {
    let length = CLIENT.key.len().to_string();
    let request = Request::put(put()).header("content-length", length);
    let request = request.body(broken(&CLIENT.key[..HALF])).expect("valid");
    let problem = world.request(request).await.problem();
    assert_eq!(problem.kind, ProblemKind::MalformedRequest);
}

async fn head(world: &World) -> Answer {
    world.send(Method::HEAD, &rest(), "").await
}

async fn patch(world: &World, offset: usize, body: impl Into<Body>) -> Answer {
    let request = Request::patch(rest()).header(upload::OFFSET, offset);
    world
        .request(request.body(body.into()).expect("valid"))
        .await
}

fn incoming(world: &World) -> usize {
    names(world.config.data_dir.join("incoming")).len()
}

#[tokio::test]
async fn an_upload_goes_on_where_it_broke_off() {
    let world = World::new();
    assert_eq!(head(&world).await.status, StatusCode::NOT_FOUND);
    begin(&world).await;
    assert_eq!(world.get(&routes::key(&CLIENT.id)).await.status, 404);
    let answer = head(&world).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header(upload::OFFSET), HALF.to_string());
    for wrong in [0, HALF - 1, HALF + 1, CLIENT.key.len()] {
        let answer = patch(&world, wrong, CLIENT.key[HALF..].to_vec()).await;
        assert_eq!(answer.header(upload::OFFSET), HALF.to_string());
        assert_eq!(answer.problem().kind, ProblemKind::UploadOffset);
    }
    let answer = patch(&world, HALF, CLIENT.key[HALF..].to_vec()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!(answer.json::<KeyInfo>().id, CLIENT.id);
    assert_eq!(
        (head(&world).await.status.as_u16(), incoming(&world)),
        (404, 0)
    );
    world.check_works().await;
}

#[tokio::test]
async fn it_may_break_off_again_and_come_in_parts() {
    let world = World::new();
    begin(&world).await;
    let broke = patch(&world, HALF, broken(&CLIENT.key[HALF..HALF + 10])).await;
    assert_eq!(broke.problem().kind, ProblemKind::MalformedRequest);
    let part = CLIENT.key[HALF + 10..HALF + 500].to_vec();
    let more = patch(&world, HALF + 10, part).await;
    assert_eq!(more.status, StatusCode::ACCEPTED, "{more:?}");
    assert_eq!(more.header(upload::OFFSET), (HALF + 500).to_string());
    let all = patch(&world, HALF + 500, CLIENT.key[HALF + 500..].to_vec()).await;
    assert_eq!(all.status, StatusCode::CREATED, "{all:?}");
    // The same for a key that is known, from the beginning in parts.
    let request = Request::put(put())
        .header(upload::LENGTH, CLIENT.key.len())
        .body(Body::from(CLIENT.key[..7].to_vec()));
    let begun = world.request(request.expect("valid")).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    assert_eq!(begun.header(upload::OFFSET), "7");
    let all = patch(&world, 7, CLIENT.key[7..].to_vec()).await;
    assert_eq!(all.status, StatusCode::OK, "{all:?}");
    world.check_works().await;
}

#[tokio::test]
async fn what_is_not_the_key_is_thrown_away() {
    let world = World::new();
    begin(&world).await;
    let mut wrong = CLIENT.key[HALF..].to_vec();
    wrong[0] ^= 1;
    let problem = patch(&world, HALF, wrong).await.problem();
    assert_eq!(problem.kind, ProblemKind::MalformedKey);
    assert_eq!(
        (head(&world).await.status.as_u16(), incoming(&world)),
        (404, 0)
    );
    begin(&world).await;
    let long = [&CLIENT.key[HALF..], b"more"].concat();
    let problem = patch(&world, HALF, long).await.problem();
    assert_eq!(problem.kind, ProblemKind::MalformedRequest);
    let problem = patch(&world, HALF, "").await.problem();
    assert_eq!(problem.kind, ProblemKind::UnknownUpload);
    assert_eq!(incoming(&world), 0);
    world.register().await;
    world.check_works().await;
}

#[tokio::test]
async fn a_client_that_vanishes_can_come_back() {
    let world = World::new();
    let (sender, body) = channel();
    let uploading = tokio::spawn(send(&world, body));
    for piece in CLIENT.key[..HALF].chunks(10_000) {
        sender.send(piece).expect("somebody listens");
    }
    wait_for(|| incoming(&world) == 1).await;
    assert_eq!(
        head(&world).await.status,
        StatusCode::CONFLICT,
        "it is at work"
    );
    let busy = patch(&world, 0, CLIENT.key.clone()).await.problem();
    assert_eq!(busy.kind, ProblemKind::UploadBusy);
    wait_for(|| sender.is_empty()).await;
    uploading.abort();
    let mut answer = head(&world).await;
    while answer.status == StatusCode::CONFLICT {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        answer = head(&world).await;
    }
    let offset: usize = answer.header(upload::OFFSET).parse().expect("a number");
    assert!(offset > HALF - 10_001 && offset <= HALF, "{offset}");
    let rest = CLIENT.key[offset..].to_vec();
    assert_eq!(
        patch(&world, offset, rest).await.status,
        StatusCode::CREATED
    );
    world.check_works().await;
}

#[tokio::test]
async fn a_second_upload_takes_the_place_of_the_first_and_both_may_finish() {
    let world = World::new();
    let (sender, body) = channel();
    let first = tokio::spawn(send(&world, body));
    sender.send(&CLIENT.key[..HALF]).expect("somebody listens");
    wait_for(|| incoming(&world) == 1).await;
    assert_eq!(world.register().await.status, StatusCode::CREATED);
    sender.send(&CLIENT.key[HALF..]).expect("somebody listens");
    drop(sender);
    assert_eq!(first.await.expect("no panic").status, StatusCode::OK);
    assert_eq!(
        (head(&world).await.status.as_u16(), incoming(&world)),
        (404, 0)
    );
    world.check_works().await;
}

#[tokio::test]
async fn what_one_owner_sent_is_not_there_for_another() {
    let world = World::new();
    begin(&world).await;
    let bob = named("bob");
    let answer = world.send_as(&bob, Method::HEAD, &rest(), "").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let request = Request::patch(rest())
        .header(upload::OFFSET, HALF)
        .extension::<Owner>(bob)
        .body(Body::from(CLIENT.key[HALF..].to_vec()));
    let problem = world.request(request.expect("valid")).await.problem();
    assert_eq!(problem.kind, ProblemKind::UnknownUpload);
    assert_eq!(head(&world).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn headers_must_make_sense() {
    let world = World::new();
    begin(&world).await;
    let length = CLIENT.key.len();
    for (offset, total, kind) in [
        (None, None, ProblemKind::MalformedRequest),
        (Some("much"), None, ProblemKind::MalformedRequest),
        (Some("-1"), None, ProblemKind::MalformedRequest),
        (
            Some("300001"),
            Some(length + 1),
            ProblemKind::MalformedRequest,
        ),
        (
            Some("18446744073709551615"),
            None,
            ProblemKind::UploadOffset,
        ),
    ] {
        let mut request = Request::patch(rest());
        for (name, value) in [
            (upload::OFFSET, offset.map(str::to_owned)),
            (upload::LENGTH, total.map(|total| total.to_string())),
        ] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let answer = world.request(request.body(Body::empty()).expect("valid"));
        assert_eq!(answer.await.problem().kind, kind, "{offset:?} {total:?}");
    }
    let request = Request::put(put()).header(upload::LENGTH, usize::MAX);
    let answer = world.request(request.body(Body::empty()).expect("valid"));
    assert_eq!(answer.await.problem().kind, ProblemKind::TooLarge);
    let other = routes::resumed_upload(&CLIENT.id, "standard-2048");
    assert_eq!(world.send(Method::HEAD, &other, "").await.status, 404);
    assert_eq!(head(&world).await.status, StatusCode::NO_CONTENT);
}

/// A body that a test sends piece by piece.
struct Sender(mpsc::Sender<Bytes>);

impl Sender {
    fn send(&self, piece: &[u8]) -> Result<(), mpsc::error::TrySendError<Bytes>> {
        self.0.try_send(Bytes::copy_from_slice(piece))
    }

    fn is_empty(&self) -> bool {
        self.0.capacity() == self.0.max_capacity()
    }
}

fn channel() -> (Sender, Body) {
    let (sender, mut receiver) = mpsc::channel(64);
    let pieces = stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let pieces = futures_util::StreamExt::map(pieces, Ok::<_, io::Error>);
    (Sender(sender), Body::from_stream(pieces))
}

/// An upload of the whole key, as a task of its own.
fn send(world: &World, body: Body) -> impl Future<Output = Answer> + Send + 'static {
    use tower::ServiceExt;
    let length = CLIENT.key.len();
    let request = Request::put(put()).header("content-length", length);
    let request = request.body(body).expect("valid");
    let response = world.router.clone().oneshot(request);
    async move {
        let (head, body) = response.await.expect("infallible").into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: axum::body::to_bytes(body, 1 << 20).await.expect("small"),
        }
    }
}

async fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it does not come to that");
}
