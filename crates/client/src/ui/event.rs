//! What the page is told of a run, one JSON object a line. No key and no unrounded value is in any of it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::Value;

use crate::classification::Classification;
use crate::error::ClientError;
use crate::generate::Generation;
use crate::session::Step;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// The text as the circuit reads it.
    Tokenized {
        tokens: Vec<String>,
        dropped_features: usize,
        dropped_words: usize,
    },
    MakingKeys {
        part: &'static str,
    },
    Uploading {
        sent: u64,
        total: u64,
    },
    /// Keys are there, and the server has the evaluation key.
    Keys {
        secret_key_bytes: u64,
        evaluation_key_bytes: u64,
        ms: f64,
    },
    /// What the next request would be if it were not encrypted. Nobody sends it.
    Clear(Clear),
    /// An encrypted input, about to be sent.
    Sent(Picture),
    Queued {
        position: u64,
    },
    Evaluating {
        done: u64,
        total: u64,
        layer: u64,
        layers: u64,
        seconds_left: Option<f64>,
    },
    /// The server is busy, or does not answer; it is asked again.
    Waiting {
        lost: bool,
        seconds: f64,
    },
    /// An encrypted output.
    Received(Picture),
    Verdict {
        #[serde(flatten)]
        answer: Classification,
        labels: Vec<String>,
        /// What the answer would be if it were not encrypted.
        clear: Clear,
    },
    Letter(Letter),
    Name(Generation),
    Done {
        ms: f64,
    },
    Cancelled,
    Error(Problem),
}

/// Bytes as they travel.
#[derive(Serialize)]
pub(super) struct Picture {
    bytes: usize,
    base64: String,
}

/// A message without encryption.
#[derive(Serialize)]
pub(super) struct Clear {
    bytes: usize,
    text: String,
}

/// A letter that was drawn, and what its step took. The logits it was drawn from stay in this process.
#[derive(Serialize)]
pub(super) struct Letter {
    /// None at the text's end.
    letter: Option<String>,
    logits: usize,
    encrypt_ms: f64,
    server_ms: f64,
    round_trip_ms: f64,
    decrypt_ms: f64,
    luts: usize,
    request_bytes: usize,
    response_bytes: usize,
}

/// Why there is no answer.
#[derive(Serialize)]
pub(super) struct Problem {
    /// What went wrong, and what to do next.
    message: String,
    /// The field of the page that must change, if that is what to do; else the same may be tried again.
    field: Option<Field>,
}

/// Fields of the page.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Field {
    Text,
    Count,
    Temperature,
}

impl Picture {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len(),
            base64: BASE64_STANDARD.encode(bytes),
        }
    }
}

impl Clear {
    pub(super) fn of(message: &Value) -> Self {
        let text = message.to_string();
        Self {
            bytes: text.len(),
            text,
        }
    }
}

impl Letter {
    pub(super) fn new(step: &Step, letter: Option<&str>) -> Self {
        Self {
            letter: letter.map(str::to_owned),
            logits: step.logits.len(),
            encrypt_ms: step.encrypt_ms,
            server_ms: step.server_ms,
            round_trip_ms: step.round_trip_ms,
            decrypt_ms: step.decrypt_ms,
            luts: step.luts,
            request_bytes: step.request_bytes,
            response_bytes: step.response_bytes,
        }
    }
}

impl Problem {
    pub(super) fn new(message: impl Into<String>, field: Option<Field>) -> Self {
        Self {
            message: message.into(),
            field,
        }
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        use ClientError::{EmptyText, LongPrefix, Temperature, UnknownLetter};
        let field = match error {
            EmptyText | LongPrefix { .. } | UnknownLetter { .. } => Some(Field::Text),
            Temperature { .. } => Some(Field::Temperature),
            _ => None,
        };
        Self::new(error.to_string(), field)
    }
}

/// How a run ends that was cancelled, or failed.
impl From<ClientError> for Event {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Cancelled => Self::Cancelled,
            error => Self::Error(error.into()),
        }
    }
}
