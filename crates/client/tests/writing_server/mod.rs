//! A server of a circuit that continues texts, which really evaluates, forgets and loses things.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::parameters::INSECURE_TOY;
use cipherformer_circuit::{
    Block, Circuit, Dense, Description, Embedding, Function, InputKind, Manifest, Model,
    OutputKind, OutputPolicy, Quantized, Vocabulary, evaluate,
};
use cipherformer_fhe::{
    Encrypted, EncryptedBag, EvaluationKey, PreparedCircuit, SeededEvaluationKey,
};
use cipherformer_protocol::{EvaluationResult, Event, KeyId, SessionId, unframe};
use serde_json::json;

use crate::fake_server::{Answer, FakeServer, Request};

const CONTEXT: usize = 4;

/// What the server remembers, and how it will misbehave.
pub(crate) struct State {
    /// A classifier of single tokens: its scores pass for logits.
    pub(crate) prepared: PreparedCircuit,
    pub(crate) manifest: Manifest,
    key: Option<EvaluationKey>,
    pub(crate) sessions: HashMap<SessionId, (usize, EvaluationResult)>,
    /// So many answers of open sessions are lost on their way yet.
    pub(crate) lose: usize,
    /// So many tokens are lost on their way here yet.
    pub(crate) unheard: usize,
    /// So many times yet, a session is said to be where it began, and at work.
    pub(crate) at_work: usize,
    /// The next tokens are evaluated, and answered with something else.
    pub(crate) nonsense: bool,
    /// So many requests are turned away yet.
    pub(crate) busy: usize,
}

/// After token i comes `next[i]`, by far.
fn circuit(next: [usize; 3], letters: [&str; 2]) -> Circuit {
    let mut table = vec![-60; 9];
    for (token, next) in next.into_iter().enumerate() {
        table[token * 3 + next] = 60;
    }
    let quantized = |data| Quantized {
        integers: IntMatrix::new(3, 3, data).expect("it fits"),
        step: vec![0.05; 3],
    };
    let model = Model {
        embedding: Embedding {
            table: quantized(table),
            bias: vec![0.0; 3],
        },
        blocks: vec![Block {
            activation: Function::Tanh,
            dense: Dense {
                weights: quantized(vec![60, 0, 0, 0, 60, 0, 0, 0, 60]),
                bias: vec![0.0; 3],
            },
        }],
    };
    let tokens = ["<end>", letters[0], letters[1]]
        .map(str::to_owned)
        .to_vec();
    let description = Description {
        name: "toy".to_owned(),
        description: String::new(),
        parameter_set: INSECURE_TOY.name.to_owned(),
        labels: tokens.clone(),
        policy: OutputPolicy::Scores,
    };
    let vocabulary = Vocabulary::new(tokens, 1, 1).expect("distinct");
    Circuit::new(description, vocabulary, model).expect("a valid circuit")
}

pub(crate) fn state(next: [usize; 3]) -> Arc<Mutex<State>> {
    let (prepared, manifest) = letters(next, ["a", "b"]);
    Arc::new(Mutex::new(State {
        prepared,
        manifest,
        key: None,
        sessions: HashMap::new(),
        lose: 0,
        unheard: 0,
        at_work: 0,
        nonsense: false,
        busy: 0,
    }))
}

/// A circuit that knows these letters, for [`State`].
pub(crate) fn letters(next: [usize; 3], letters: [&str; 2]) -> (PreparedCircuit, Manifest) {
    let circuit = circuit(next, letters);
    let mut manifest = circuit.manifest().clone();
    manifest.input.kind = InputKind::Tokens;
    manifest.input.context = CONTEXT;
    manifest.output.kind = OutputKind::Logits;
    let prepared = PreparedCircuit::new(Arc::new(circuit)).expect("small weights");
    (prepared, manifest)
}

pub(crate) fn serve(state: &Arc<Mutex<State>>) -> FakeServer {
    let state = Arc::clone(state);
    FakeServer::start(move |request| {
        let mut state = state.lock().expect("no panic");
        if state.unheard > 0 && request.path.contains("/tokens?") {
            state.unheard -= 1;
            return Answer::lost();
        }
        let answer = answer(&mut state, request);
        if state.lose == 0 || !answer.is_ok() || !request.path.starts_with("/v1/sessions/") {
            return answer;
        }
        state.lose -= 1;
        Answer::lost()
    })
}

pub(crate) fn answer(state: &mut State, request: &Request) -> Answer {
    let json = |value: serde_json::Value| Answer::json(value.to_string());
    let path: Vec<&str> = request.path.split(['/', '?']).skip(2).collect();
    let id = || path[1].parse::<SessionId>().expect("an id that we gave");
    match (request.method.as_str(), path.as_slice()) {
        ("GET", ["circuits"]) => {
            let Manifest {
                name,
                description,
                digest,
                parameter_set,
                ..
            } = &state.manifest;
            let circuit = json!({
                "name": name, "description": description, "digest": digest, "parameter_set": parameter_set,
            });
            json(json!({ "circuits": [circuit] }))
        }
        ("GET", ["circuits", _]) => json(serde_json::to_value(&state.manifest).expect("plain")),
        ("GET", ["circuits", _, "vocabulary"]) => {
            let vocabulary = state.prepared.circuit().vocabulary();
            Answer::new(200, "text/plain", vocabulary.to_text())
        }
        ("GET", ["keys", _]) => Answer::problem(404, "unknown-key", "register it"),
        ("PUT", ["keys", ..]) => {
            let seeded = SeededEvaluationKey::from_bytes(&request.body, &INSECURE_TOY);
            let key = EvaluationKey::expand(seeded.expect("a good key"), &INSECURE_TOY);
            state.key = Some(key);
            let id = KeyId::of(&request.body);
            json(json!({ "id": id, "parameter_set": INSECURE_TOY.name, "bytes": 0 }))
        }
        ("POST", ["circuits", _, "sessions", _]) => {
            let id = SessionId::new(state.sessions.len() as u128 + 1);
            state.sessions.insert(id.clone(), (0, nothing()));
            info(&id, 0, false)
        }
        (_, ["sessions", ..]) if !state.sessions.contains_key(&id()) => {
            Answer::problem(404, "unknown-session", "send all again")
        }
        ("GET", ["sessions", _, "logits", _]) => octets(&state.sessions[&id()].1),
        ("GET", ["sessions", ..]) if state.at_work > 0 => {
            state.at_work -= 1;
            info(&id(), 0, true)
        }
        ("GET", ["sessions", ..]) => info(&id(), state.sessions[&id()].0, false),
        ("DELETE", ["sessions", ..]) => Answer::new(204, "text/plain", ""),
        _ => append(state, &id(), request),
    }
}

fn info(id: &SessionId, position: usize, busy: bool) -> Answer {
    let info = json!({
        "id": id, "position": position, "context": CONTEXT, "busy": busy, "expires_in_seconds": 9,
    });
    Answer::new(
        201 - u16::from(position > 0),
        "application/json",
        info.to_string(),
    )
}

fn nothing() -> EvaluationResult {
    EvaluationResult {
        server_ms: 1500.0,
        luts: 3,
        ring_products: 3,
        position: None,
        output: Vec::new(),
    }
}

/// An output with its figures as headers.
fn octets(result: &EvaluationResult) -> Answer {
    let position = result.position.expect("evaluated");
    Answer::new(200, "application/octet-stream", result.output.clone())
        .header("cipherformer-server-ms", result.server_ms)
        .header("cipherformer-luts", result.luts)
        .header("cipherformer-ring-products", result.ring_products)
        .header("cipherformer-position", position)
}

fn append(state: &mut State, id: &SessionId, request: &Request) -> Answer {
    if state.busy > 0 {
        state.busy -= 1;
        return Answer::problem(429, "busy", "later").retry_after(0);
    }
    let (position, _) = state.sessions[id];
    if !request.path.ends_with(&format!("&position={position}")) {
        return Answer::problem(409, "session-position", "it is elsewhere");
    }
    let tokens = unframe(&request.body).expect("framed");
    let last = tokens.last().expect("at least one");
    let input = EncryptedBag::from_bytes(last, 3, &INSECURE_TOY).expect("a good input");
    let key = state.key.as_ref().expect("registered");
    let mut engine = Encrypted::new(&state.prepared, key).expect("one set");
    let circuit = state.prepared.circuit();
    let output = evaluate(circuit, &mut engine, &input, &()).expect("valid");
    let result = EvaluationResult {
        position: Some(position + tokens.len()),
        output: output.to_bytes(),
        ..nothing()
    };
    let (name, data) = Event::Result(result.clone()).to_parts();
    let text = format!("event: {name}\ndata: {data}\n\n");
    state
        .sessions
        .insert(id.clone(), (position + tokens.len(), result));
    if std::mem::take(&mut state.nonsense) {
        return Answer::json("{}");
    }
    Answer::new(200, "text/event-stream", text)
}
