//! The library against a server that really evaluates, on a toy circuit, and misbehaves on demand.

mod fake_server;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::parameters::INSECURE_TOY;
use cipherformer_circuit::{
    Block, Circuit, Dense, Description, Embedding, Function, Model, OutputPolicy, Quantized,
    Vocabulary, evaluate,
};
use cipherformer_client::{Activity, Client, ClientError, KeyHome, Observer};
use cipherformer_fhe::{
    Encrypted, EncryptedBag, EvaluationKey, PreparedCircuit, SeededEvaluationKey,
};
use cipherformer_protocol::{EvaluationResult, Event, KeyId, KeyInfo, Progress};
use fake_server::{Answer, FakeServer, Request};

/// What the server remembers, and how it will misbehave.
struct State {
    prepared: PreparedCircuit,
    key: Option<(KeyId, EvaluationKey)>,
    /// So many requests are turned away yet.
    busy: usize,
    /// So many evaluations are lost on their way yet.
    lost: usize,
    /// The next evaluation is answered so.
    next: Option<Answer>,
}

/// A circuit that scores the word "bad" as bad.
fn circuit(description: &str) -> Arc<Circuit> {
    let integers = |rows, columns, data| IntMatrix::new(rows, columns, data).expect("it fits");
    let model = Model {
        embedding: Embedding {
            table: Quantized {
                integers: integers(2, 2, vec![7, -7, -7, 7]),
                step: vec![0.5; 2],
            },
            bias: vec![0.0; 2],
        },
        blocks: vec![Block {
            activation: Function::Tanh,
            dense: Dense {
                weights: Quantized {
                    integers: integers(2, 2, vec![7, -7, -7, 7]),
                    step: vec![0.5; 2],
                },
                bias: vec![0.0; 2],
            },
        }],
    };
    let features = ["w:bad", "w:good"].map(str::to_owned).to_vec();
    let description = Description {
        name: "toy".to_owned(),
        description: description.to_owned(),
        parameter_set: INSECURE_TOY.name.to_owned(),
        labels: vec!["bad".to_owned(), "good".to_owned()],
        policy: OutputPolicy::Scores,
    };
    let vocabulary = Vocabulary::new(features, 8, 1).expect("distinct");
    Arc::new(Circuit::new(description, vocabulary, model).expect("a valid circuit"))
}

fn state(description: &str) -> Arc<Mutex<State>> {
    Arc::new(Mutex::new(State {
        prepared: PreparedCircuit::new(circuit(description)).expect("small weights"),
        key: None,
        busy: 0,
        lost: 0,
        next: None,
    }))
}

fn serve(state: &Arc<Mutex<State>>) -> FakeServer {
    let state = Arc::clone(state);
    FakeServer::start(move |request| answer(&mut state.lock().expect("no panic"), request))
}

fn answer(state: &mut State, request: &Request) -> Answer {
    let circuit = state.prepared.circuit();
    let json = |value: serde_json::Value| Answer::json(value.to_string());
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/v1/circuits") => json(serde_json::json!({ "circuits": [] })),
        ("GET", "/v1/circuits/toy") => {
            json(serde_json::to_value(circuit.manifest()).expect("plain"))
        }
        ("GET", "/v1/circuits/toy/vocabulary") => {
            Answer::new(200, "text/plain", circuit.vocabulary().to_text())
        }
        ("GET", path) => match &state.key {
            Some((id, _)) if path.ends_with(&id.to_string()) => json(info(id)),
            _ => Answer::problem(404, "unknown-key", "register it"),
        },
        ("PUT", _) => {
            let id = KeyId::of(&request.body);
            let seeded = SeededEvaluationKey::from_bytes(&request.body, &INSECURE_TOY);
            let key = EvaluationKey::expand(seeded.expect("a good key"), &INSECURE_TOY);
            let answer = json(info(&id));
            state.key = Some((id, key));
            answer
        }
        _ => evaluation(state, request),
    }
}

fn info(id: &KeyId) -> serde_json::Value {
    let info = KeyInfo {
        id: id.clone(),
        parameter_set: INSECURE_TOY.name.to_owned(),
        bytes: 0,
    };
    serde_json::to_value(info).expect("plain")
}

fn evaluation(state: &mut State, request: &Request) -> Answer {
    if let Some(answer) = state.next.take() {
        return answer;
    }
    if state.lost > 0 {
        state.lost -= 1;
        return Answer::lost();
    }
    if state.busy > 0 {
        state.busy -= 1;
        return Answer::problem(429, "busy", "later").retry_after(0);
    }
    let circuit = state.prepared.circuit();
    if !request.path.contains(&circuit.manifest().digest) {
        return Answer::problem(409, "stale-circuit", "fetch it again");
    }
    let Some((_, key)) = state.key.as_ref() else {
        return Answer::problem(404, "unknown-key", "register it");
    };
    let input = EncryptedBag::from_bytes(&request.body, 2, &INSECURE_TOY).expect("a good input");
    let mut engine = Encrypted::new(&state.prepared, key).expect("one set");
    let output = evaluate(circuit, &mut engine, &input, &()).expect("valid");
    let events = [
        Event::Progress(Progress {
            step: "evaluating".to_owned(),
            luts_done: 1,
            luts_total: 2,
            layer: 2,
            layers: 4,
            seconds_left: Some(0.5),
            position_in_queue: None,
        }),
        Event::Result(EvaluationResult {
            position: None,
            server_ms: 12.5,
            luts: 2,
            ring_products: 2,
            output: output.to_bytes(),
        }),
    ];
    let events = events.iter().map(Event::to_parts);
    let text: String = events
        .map(|(name, data)| format!("event: {name}\ndata: {data}\n\n"))
        .collect();
    Answer::new(200, "text/event-stream", format!(": hello\n\n{text}"))
}

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
