//! Evaluations that go well, one at a time and many at once.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use cipherformer_protocol::{KeyInfo, ProblemKind, headers, routes};
use futures_util::future::join_all;

use crate::world::{CLIENT, World, evaluation, layers, progress_and_result};

#[tokio::test]
async fn an_encrypted_text_gets_the_verdict_of_the_reference() {
    let world = World::new();
    assert_eq!(world.register().await.status, StatusCode::CREATED);
    let answer = world.evaluate().await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header(headers::LUTS), "8");
    assert_eq!(answer.header(headers::RING_PRODUCTS), "16");
    let ms: f64 = answer.header(headers::SERVER_MS).parse().expect("a number");
    assert!(ms > 0.0);
    CLIENT.check(&answer.body);
}

#[tokio::test]
async fn registering_again_changes_nothing() {
    let world = World::new();
    let path = routes::key(&CLIENT.id);
    let before = world.get(&path).await.problem();
    assert_eq!(before.kind, ProblemKind::UnknownKey);
    let expected = KeyInfo {
        id: CLIENT.id.clone(),
        parameter_set: "insecure-toy".to_owned(),
        bytes: CLIENT.key.len() as u64,
    };
    for status in [StatusCode::CREATED, StatusCode::OK, StatusCode::OK] {
        let answer = world.register().await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.json::<KeyInfo>(), expected);
        assert_eq!(world.get(&path).await.json::<KeyInfo>(), expected);
    }
    world.check_works().await;
}

#[tokio::test]
async fn progress_is_sent_while_it_happens_then_the_result() {
    let world = World::new();
    world.register().await;
    let request = Request::post(evaluation())
        .header("accept", "text/event-stream; q=1, application/problem+json")
        .body(Body::from(CLIENT.input.clone()));
    let answer = world.request(request.expect("valid")).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let (progress, result) = progress_and_result(&answer);
    CLIENT.check(&result.output);
    assert_eq!((result.luts, result.ring_products), (8, 16));
    let names = layers();
    let layers = names.len();
    assert!(progress.iter().all(|p| p.layers == layers));
    assert!(progress.is_sorted_by_key(|p| p.layer));
    let last = progress.last().expect("some");
    assert_eq!((last.layer, last.seconds_left), (layers, Some(0.0)));
    let begun = progress.iter().find(|p| p.step == "evaluating");
    assert_eq!(begun.expect("it began").seconds_left, None);
    let text = String::from_utf8(answer.body.to_vec()).expect("text");
    for name in names {
        assert!(!text.contains(&name), "{name} is the model owner's");
    }
}

#[tokio::test]
async fn without_a_registered_key_the_stream_is_a_plain_problem() {
    let world = World::new();
    let request = Request::post(evaluation())
        .header("accept", "text/event-stream")
        .body(Body::from(CLIENT.input.clone()));
    let answer = world.request(request.expect("valid")).await;
    assert_eq!(answer.problem().kind, ProblemKind::UnknownKey);
}

#[tokio::test]
async fn a_full_server_turns_away_and_then_serves_again() {
    let world = World::with(|config| config.queue = 0);
    check_overload(&world, 1, "the server has").await;
}

#[tokio::test]
async fn one_key_cannot_fill_the_queue() {
    let world = World::with(|config| config.queue = 11);
    check_overload(&world, 3, "you have 3 evaluations").await;
}

/// So many of a crowd are served, the others are told why not and when to come back.
async fn check_overload(world: &World, least: usize, reason: &str) {
    world.register().await;
    let answers = join_all((0..24).map(|_| world.evaluate())).await;
    let (served, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|a| a.status == StatusCode::OK);
    assert!(
        served.len() >= least && !refused.is_empty(),
        "{}",
        served.len()
    );
    for answer in &served {
        CLIENT.check(&answer.body);
    }
    for answer in refused {
        let problem = answer.problem();
        assert_eq!(problem.kind, ProblemKind::Busy);
        assert!(problem.detail.starts_with(reason), "{}", problem.detail);
        let seconds = answer.header("retry-after").parse::<u64>();
        assert!((1..=30).contains(&seconds.expect("a number")));
    }
    world.check_works().await;
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place() {
    let world = World::with(|config| config.queue = 1);
    world.register().await;
    for _ in 0..20 {
        let mut leaving = Box::pin(world.evaluate());
        // One poll takes it into the queue, or to the worker; then the client is gone.
        std::future::poll_fn(|cx| {
            let _ = leaving.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
        drop(leaving);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    world.check_works().await;
}

#[tokio::test]
async fn a_small_memory_budget_still_serves() {
    let world = World::with(|config| config.key_memory_mb = 0);
    world.register().await;
    world.check_works().await;
    world.check_works().await;
}
