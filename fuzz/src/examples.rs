//! Valid messages, made afresh: what mutations begin with, and what the corpus was made of.

use cipherformer_circuit::parameters::INSECURE_TOY;
use cipherformer_circuit::{Bag, State, evaluate_next};
use cipherformer_fhe::{
    Encrypted, EncryptedBag, EvaluationKey, FheError, PreparedCircuit, SecretKey,
    SeededEvaluationKey, state_to_bytes,
};
use cipherformer_protocol::{
    EvaluationResult, Event, KeyId, Problem, ProblemKind, Progress, SessionId, frame,
};
use std::sync::Arc;

use crate::ciphertexts::{CIRCUIT, SECRET};
use crate::names::CONTEXT;

/// Valid messages for a target, by its name: a few of every shape. Evaluates a short text, which takes a second.
///
/// # Errors
/// Whatever the engine refuses; nothing, unless there is a bug.
pub fn of(target: &str) -> Result<Vec<Vec<u8>>, FheError> {
    Ok(match target {
        "evaluation_key" => {
            let secret = SecretKey::generate(&INSECURE_TOY);
            vec![SeededEvaluationKey::generate(&secret, |_| ()).to_bytes()]
        }
        "encrypted_bag" => vec![bag(1)?.to_bytes(), bag(0)?.to_bytes()],
        "encrypted_scores" => Text::evaluate()?.outputs,
        "session_state" => Text::evaluate()?.states,
        "frames" => {
            let (one, two) = (bag(1)?.to_bytes(), bag(2)?.to_bytes());
            let short = [vec![], vec![7], b"short parts".to_vec()];
            vec![
                frame(std::slice::from_ref(&one)),
                frame(&[one, two]),
                frame(&short),
            ]
        }
        "ids" => {
            let ids = [
                KeyId::of(b"a key").to_string(),
                SessionId::new(7).to_string(),
            ];
            ids.map(String::into_bytes).to_vec()
        }
        "manifest" => vec![json(CIRCUIT.manifest())],
        "vocabulary" => vec![
            CIRCUIT.vocabulary().to_text().into_bytes(),
            b"w:bad\nw:good\nb:so good\n".to_vec(),
        ],
        "problem" => problems().iter().map(json).collect(),
        "event" => events().iter().map(line).collect(),
        _ => Vec::new(),
    })
}

fn bag(token: usize) -> Result<EncryptedBag, FheError> {
    EncryptedBag::encrypt(&Bag::token(token), CIRCUIT.manifest(), &SECRET)
}

/// What an evaluation leaves.
struct Text {
    states: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
}

impl Text {
    /// A session as long as may be, token by token.
    fn evaluate() -> Result<Self, FheError> {
        let (circuit, parameters) = (Arc::clone(&CIRCUIT), CIRCUIT.parameters());
        let seeded = SeededEvaluationKey::generate(&SECRET, |_| ());
        let key = EvaluationKey::expand(seeded, parameters);
        let prepared = PreparedCircuit::new(Arc::clone(&circuit))?;
        let mut engine = Encrypted::new(&prepared, &key)?;
        let mut state = State::new(&circuit);
        let mut text = Self {
            states: vec![state_to_bytes(&state, parameters)],
            outputs: Vec::new(),
        };
        for token in 0..CONTEXT {
            let output = evaluate_next(&circuit, &mut engine, &mut state, &bag(token)?, &())?;
            text.outputs.push(output.to_bytes());
            text.states.push(state_to_bytes(&state, parameters));
        }
        Ok(text)
    }
}

fn problems() -> [Problem; 2] {
    let problem = Problem::new(ProblemKind::UnknownKey, "register it: \u{1f511}\n");
    let of_request = problem
        .clone()
        .of_request(Some("0123456789abcdef".to_owned()));
    [problem, of_request]
}

fn events() -> [Event; 4] {
    let [problem, _] = problems();
    let progress = Progress {
        step: "evaluating".to_owned(),
        luts_done: 3,
        luts_total: 16,
        ..Progress::default()
    };
    let result = EvaluationResult {
        server_ms: 61.25,
        luts: 16,
        ring_products: 128,
        position: Some(3),
        output: vec![0, 1, 2, 253, 254, 255],
    };
    let waiting = Progress {
        position_in_queue: Some(2),
        seconds_left: Some(0.125),
        layer: 1,
        layers: 5,
        ..progress.clone()
    };
    [
        Event::Progress(progress),
        Event::Progress(waiting),
        Event::Result(result),
        Event::Problem(problem),
    ]
}

fn line(event: &Event) -> Vec<u8> {
    let (name, data) = event.to_parts();
    format!("{name}\n{data}").into_bytes()
}

fn json<T: serde::Serialize>(value: T) -> Vec<u8> {
    serde_json::to_vec(&value).expect("plain data")
}
