//! What a client tells its user of one text.

use serde::Serialize;

/// The answer to one text, and what it took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// The text.
    pub text: String,
    /// The label with the largest score.
    pub label: String,
    /// One score per label, in the manifest's order, rounded to hide the noise.
    pub scores: Vec<f64>,
    /// Milliseconds of encryption on this computer.
    pub encrypt_ms: f64,
    /// Milliseconds of evaluation on the server, as it says.
    pub server_ms: f64,
    /// Milliseconds from sending the request to having the answer.
    pub round_trip_ms: f64,
    /// Milliseconds of decryption on this computer.
    pub decrypt_ms: f64,
    /// Size of the encrypted input; the same for all texts.
    pub request_bytes: usize,
    /// Size of the encrypted output; the same for all texts.
    pub response_bytes: usize,
    /// Programmable bootstraps the server did.
    pub luts: usize,
    /// How many of the text's features the circuit looked at.
    pub features: usize,
    /// How many more it knows, but had no room for.
    pub dropped_features: usize,
    /// How many words at the text's end were not looked at.
    pub dropped_words: usize,
}
