//! What an operator's programs ask.

use std::fs;

use axum::http::StatusCode;
use cipherformer_protocol::{ProblemKind, routes};

use crate::texts;
use crate::world::{CLIENT, World};

/// The value of a line of the figures.
pub(crate) async fn figure(world: &World, line: &str) -> Option<f64> {
    let answer = world.get(routes::METRICS).await;
    assert_eq!(answer.status, StatusCode::OK);
    let text = String::from_utf8(answer.body.to_vec()).expect("text");
    let mut lines = text.lines();
    let value = lines.find_map(|other| other.strip_prefix(line)?.strip_prefix(' '));
    value.map(|value| value.parse().expect("a number"))
}

#[tokio::test]
async fn a_server_that_can_serve_says_so() {
    let world = World::new();
    assert_eq!(world.get(routes::HEALTH).await.status, StatusCode::OK);
    assert_eq!(world.get(routes::READY).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_server_that_cannot_store_keys_lives_but_is_not_ready() {
    let world = World::new();
    let data = world.config.data_dir.clone();
    fs::remove_file(data.join("lock")).expect("removed");
    fs::create_dir(data.join("lock")).expect("made"); // cannot be opened for writing
    let world = world.restart();
    assert_eq!(world.get(routes::HEALTH).await.status, StatusCode::OK);
    let problem = world.get(routes::READY).await.problem();
    assert_eq!(problem.kind, ProblemKind::NotReady);
    assert!(
        problem.detail.contains("data directory"),
        "{}",
        problem.detail
    );
}

#[tokio::test]
async fn figures_count_what_happens() {
    let world = texts::world(|config| config.queue = 3).await;
    world.register().await;
    world.check_works().await;
    world.check_works().await;
    let id = texts::open(&world).await.id;
    texts::append(&world, &id, 0, &[0, 1]).await;
    world
        .get(&routes::key(&cipherformer_protocol::KeyId::of(b"none")))
        .await;
    for (line, expected) in [
        (
            r#"cipherformer_evaluations_total{circuit="test",outcome="done"}"#,
            2.0,
        ),
        (
            r#"cipherformer_evaluation_seconds_count{circuit="names"}"#,
            1.0,
        ),
        ("cipherformer_queue_wait_seconds_count", 3.0),
        ("cipherformer_queue_places", 4.0),
        ("cipherformer_queue_waiting", 0.0),
        ("cipherformer_queue_running", 0.0),
        ("cipherformer_key_cache_hits_total", 1.0),
        ("cipherformer_key_cache_misses_total", 2.0),
        ("cipherformer_key_cache_keys", 2.0),
        ("cipherformer_key_expansion_seconds_count", 2.0),
        ("cipherformer_sessions_open", 1.0),
        ("cipherformer_keys_stored", 2.0),
        ("cipherformer_uploads_under_way", 0.0),
        (
            r#"cipherformer_request_seconds_count{route="/v1/keys/{id}",status="4xx"}"#,
            1.0,
        ),
        (
            r#"cipherformer_request_seconds_count{route="/v1/keys/{id}",status="2xx"}"#,
            2.0,
        ),
    ] {
        assert_eq!(figure(&world, line).await, Some(expected), "{line}");
    }
    let luts = figure(&world, "cipherformer_luts_total").await;
    let luts = luts.expect("counted");
    assert!(luts > 16.0, "{luts}");
    let rate = figure(&world, "cipherformer_luts_per_second").await;
    assert!((rate.expect("a mean") - luts / 60.0).abs() < 1e-9);
    for line in [
        "cipherformer_keys_stored_bytes",
        "cipherformer_key_cache_bytes",
    ] {
        assert!(
            figure(&world, line).await > Some(CLIENT.key.len() as f64),
            "{line}"
        );
    }
    #[cfg(target_os = "linux")]
    assert!(figure(&world, "cipherformer_resident_memory_bytes").await > Some(1e6));
}

#[tokio::test]
async fn figures_say_who_was_turned_away_and_what_was_damaged() {
    let world = World::with(|config| config.queue = 0);
    world.register().await;
    fs::write(world.key_file(), "damaged").expect("written");
    world.evaluate().await.problem();
    assert_eq!(
        figure(&world, r#"cipherformer_damaged_total{what="keys"}"#).await,
        Some(1.0)
    );
    world.register().await;
    // Most of these come while the only place is taken.
    let answers = futures_util::future::join_all((0..5).map(|_| world.evaluate())).await;
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert!(refused > 0);
    let full = figure(&world, r#"cipherformer_turned_away_total{reason="full"}"#).await;
    assert_eq!(full, Some(refused as f64));
}

#[tokio::test]
async fn nothing_that_clients_send_becomes_a_label() {
    let world = World::new();
    world.register().await;
    for path in [
        "/v1/circuits/made-up/vocabulary",
        "/made-up",
        "/v1/keys/made-up",
    ] {
        world.get(path).await;
    }
    let method = axum::http::Method::from_bytes(b"MADE-UP").expect("valid");
    world
        .send(method, "/v1/circuits", axum::body::Body::empty())
        .await;
    let answer = world.get(routes::METRICS).await;
    let text = String::from_utf8(answer.body.to_vec()).expect("text");
    assert!(!text.to_lowercase().contains("made-up"), "{text}");
    assert!(!text.contains(&CLIENT.id.to_string()[..12]), "{text}");
}
