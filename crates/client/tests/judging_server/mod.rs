//! A server of a circuit that classifies texts, which really evaluates, and misbehaves on demand.
#![allow(dead_code)] // no test uses all of it

use std::sync::{Arc, Mutex};

use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::parameters::INSECURE_TOY;
use cipherformer_circuit::{
    Block, Circuit, Dense, Description, Embedding, Function, Model, OutputPolicy, Quantized,
    Vocabulary, evaluate,
};
use cipherformer_fhe::{
    Encrypted, EncryptedBag, EvaluationKey, PreparedCircuit, SeededEvaluationKey,
};
use cipherformer_protocol::{CircuitSummary, EvaluationResult, Event, KeyId, KeyInfo, Progress};

use crate::fake_server::{Answer, FakeServer, Request};

/// What the server remembers, and how it will misbehave.
pub(crate) struct State {
    pub(crate) prepared: PreparedCircuit,
    pub(crate) key: Option<(KeyId, EvaluationKey)>,
    /// So many requests are turned away yet.
    pub(crate) busy: usize,
    /// So many evaluations are lost on their way yet.
    pub(crate) lost: usize,
    /// The next evaluation is answered so.
    pub(crate) next: Option<Answer>,
}

/// A circuit that scores the word "bad" as bad.
pub(crate) fn circuit(description: &str) -> Arc<Circuit> {
    circuit_of(description, ["w:bad", "w:good"], ["bad", "good"])
}

/// The same with other words: each feature is a sign of the label at its place.
pub(crate) fn circuit_of(
    description: &str,
    features: [&str; 2],
    labels: [&str; 2],
) -> Arc<Circuit> {
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
    let description = Description {
        name: "toy".to_owned(),
        description: description.to_owned(),
        parameter_set: INSECURE_TOY.name.to_owned(),
        labels: labels.map(str::to_owned).to_vec(),
        policy: OutputPolicy::Scores,
    };
    let vocabulary = Vocabulary::new(features.map(str::to_owned).to_vec(), 8, 1).expect("distinct");
    Arc::new(Circuit::new(description, vocabulary, model).expect("a valid circuit"))
}

pub(crate) fn state(description: &str) -> Arc<Mutex<State>> {
    Arc::new(Mutex::new(State {
        prepared: PreparedCircuit::new(circuit(description)).expect("small weights"),
        key: None,
        busy: 0,
        lost: 0,
        next: None,
    }))
}

pub(crate) fn serve(state: &Arc<Mutex<State>>) -> FakeServer {
    let state = Arc::clone(state);
    FakeServer::start(move |request| answer(&mut state.lock().expect("no panic"), request))
}

pub(crate) fn answer(state: &mut State, request: &Request) -> Answer {
    let circuit = state.prepared.circuit();
    let json = |value: serde_json::Value| Answer::json(value.to_string());
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/v1/circuits") => json(serde_json::json!({ "circuits": [summary(circuit)] })),
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

fn summary(circuit: &Circuit) -> CircuitSummary {
    let manifest = circuit.manifest();
    CircuitSummary {
        name: manifest.name.clone(),
        description: manifest.description.clone(),
        digest: manifest.digest.clone(),
        parameter_set: manifest.parameter_set.clone(),
    }
}
