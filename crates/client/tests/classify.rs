//! The library against a server that really evaluates, on a toy circuit, and misbehaves on demand.

mod fake_server;
mod judging_server;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cipherformer_client::{Activity, Client, ClientError, KeyHome, Observer};
use cipherformer_fhe::PreparedCircuit;
use fake_server::{Answer, FakeServer};
use judging_server::{circuit, serve, state};

/// Remembers what it was told.
#[derive(Default)]
struct Recorder(Mutex<Vec<Activity>>);

impl Observer for Recorder {
    fn on(&self, activity: Activity) {
        self.0.lock().expect("no panic").push(activity);
    }
}

async fn connect(server: &FakeServer, home: &tempfile::TempDir) -> (Client, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let home = KeyHome::new(home.path()).allow_insecure();
    let client = Client::connect(server.url(), home, recorder.clone());
    (client.await.expect("it is there"), recorder)
}

fn count(server: &FakeServer, start: &str) -> usize {
    let requests = server.requests();
    requests.iter().filter(|r| r.starts_with(start)).count()
}

#[tokio::test]
async fn texts_are_classified_and_all_requests_look_alike() {
    let (home, server) = (tempfile::tempdir().expect("temporary"), serve(&state("")));
    let (client, recorder) = connect(&server, &home).await;
    let bad = client.classify("toy", "bad, bad!").await.expect("bad");
    let good = client.classify("toy", "So good").await.expect("good");
    assert_eq!((bad.label.as_str(), good.label.as_str()), ("bad", "good"));
    assert!(bad.scores[0] > bad.scores[1] && good.scores[0] < good.scores[1]);
    assert_eq!(bad.request_bytes, good.request_bytes);
    assert_eq!((bad.server_ms, bad.luts, bad.features), (12.5, 2, 1));
    assert_eq!(count(&server, "PUT"), 1, "one key serves all texts");
    let seen = recorder.0.lock().expect("no panic");
    assert!(seen.contains(&Activity::Evaluating {
        done: 1,
        total: 2,
        layer: 2,
        layers: 4,
        left: Some(Duration::from_millis(500)),
    }));
    assert!(matches!(seen[0], Activity::MakingKeys { .. }));
    assert!(
        seen.iter()
            .any(|a| matches!(a, Activity::Uploading { sent, total } if sent == total))
    );
}

#[tokio::test]
async fn a_second_client_uses_the_keys_there_are() {
    let (home, server) = (tempfile::tempdir().expect("temporary"), serve(&state("")));
    for _ in 0..2 {
        let (client, _) = connect(&server, &home).await;
        client.classify("toy", "good").await.expect("good");
    }
    assert_eq!(count(&server, "PUT"), 1);
}

#[tokio::test]
async fn a_key_the_server_lost_is_registered_again() {
    let (home, state) = (tempfile::tempdir().expect("temporary"), state(""));
    let server = serve(&state);
    let (client, _) = connect(&server, &home).await;
    client.classify("toy", "good").await.expect("good");
    state.lock().expect("no panic").key = None;
    client.classify("toy", "good").await.expect("good again");
    assert_eq!(count(&server, "PUT"), 2);
}

#[tokio::test]
async fn a_circuit_that_changed_is_fetched_again_once() {
    let (home, state) = (tempfile::tempdir().expect("temporary"), state(""));
    let server = serve(&state);
    let (client, _) = connect(&server, &home).await;
    client.classify("toy", "good").await.expect("good");
    let changed = PreparedCircuit::new(circuit("another")).expect("small weights");
    state.lock().expect("no panic").prepared = changed;
    client.classify("toy", "good").await.expect("good again");
    assert_eq!(count(&server, "GET /v1/circuits/toy/vocabulary"), 2);
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let (home, state) = (tempfile::tempdir().expect("temporary"), state(""));
    state.lock().expect("no panic").busy = 3;
    let server = serve(&state);
    let (client, recorder) = connect(&server, &home).await;
    client.classify("toy", "good").await.expect("in the end");
    assert_eq!(count(&server, "POST"), 4);
    let waited = |activity: &Activity| matches!(activity, Activity::Waiting(_));
    assert!(recorder.0.lock().expect("no panic").iter().any(waited));
    state.lock().expect("no panic").busy = usize::MAX;
    let error = client.classify("toy", "good").await.expect_err("busy");
    assert!(matches!(error, ClientError::StillBusy { .. }));
}

#[tokio::test]
async fn a_server_that_stops_is_asked_again() {
    let (home, state) = (tempfile::tempdir().expect("temporary"), state(""));
    let stopping = Answer::problem(503, "shutting-down", "soon back").retry_after(0);
    state.lock().expect("no panic").next = Some(stopping);
    let server = serve(&state);
    let (client, _) = connect(&server, &home).await;
    client.classify("toy", "good").await.expect("in the end");
    assert_eq!(count(&server, "POST"), 2);
}

#[tokio::test]
async fn a_lost_evaluation_is_asked_for_again_a_few_times() {
    let (home, state) = (tempfile::tempdir().expect("temporary"), state(""));
    let server = serve(&state);
    let (client, recorder) = connect(&server, &home).await;
    {
        let mut state = state.lock().expect("no panic");
        state.lost = 1;
        state.next = Some(Answer::new(200, "text/event-stream", "")); // ends too early
    }
    client.classify("toy", "good").await.expect("in the end");
    let told = |activity: &&Activity| matches!(activity, Activity::Reconnecting(_));
    let seen = recorder.0.lock().expect("no panic");
    assert_eq!(seen.iter().filter(told).count(), 2);
}

#[tokio::test]
async fn answers_that_make_no_sense_are_errors() {
    let (home, state) = (tempfile::tempdir().expect("temporary"), state(""));
    let server = serve(&state);
    let (client, _) = connect(&server, &home).await;
    let events = |text: &str| Answer::new(200, "text/event-stream", text);
    let endless = ":".repeat(6 << 20);
    let wrong = r#"{"server_ms":1.0,"luts":1,"ring_products":1,"output":"AAAA"}"#;
    for (reason, answer) in [
        ("stream of events", events("event: result\ndata: {}\n\n")),
        ("more than", events(&endless)),
        (
            "encrypted output",
            events(&format!("event: result\ndata: {wrong}\n\n")),
        ),
        (
            "no usable header",
            Answer::new(200, "application/octet-stream", ""),
        ),
        (
            "the bits rotted",
            Answer::problem(500, "internal", "the bits rotted"),
        ),
    ] {
        state.lock().expect("no panic").next = Some(answer);
        let error = client.classify("toy", "good").await.expect_err(reason);
        assert!(error.to_string().contains(reason), "{reason}: {error}");
    }
    client.classify("toy", "good").await.expect("still works");
}
