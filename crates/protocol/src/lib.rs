//! What crosses the wire: HTTP routes, identifiers, messages, problem documents.
//!
//! Ciphertexts and keys are opaque bytes here; the `fhe` crate makes and checks them.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /v1/circuits` | | [`CircuitList`] |
//! | `GET /v1/circuits/{name}` | | `cipherformer_circuit::Manifest` |
//! | `GET /v1/circuits/{name}/vocabulary` | | text, one feature a line |
//! | `GET /v1/keys/{id}` | | [`KeyInfo`], or 404 |
//! | `PUT /v1/keys/{id}?parameter_set=NAME` | evaluation key | [`KeyInfo`]; 201 if new, 200 if known |
//! | `DELETE /v1/keys/{id}` | | 204; nothing of it is left, nor of its sessions |
//! | `HEAD /v1/keys/{id}/upload?parameter_set=NAME` | | 204 with `Upload-Offset`, or 404 |
//! | `PATCH /v1/keys/{id}/upload?parameter_set=NAME` | the key from `Upload-Offset` on | as `PUT`; 202 with `Upload-Offset` if more is missing |
//! | `POST /v1/circuits/{name}/evaluations?key=ID&digest=DIGEST` | encrypted input | see below |
//! | `POST /v1/circuits/{name}/sessions?key=ID&digest=DIGEST` | | 201 and [`SessionInfo`] |
//! | `GET /v1/sessions/{id}?key=ID` | | [`SessionInfo`] |
//! | `POST /v1/sessions/{id}/tokens?key=ID&position=P` | [`frame`]d encrypted tokens | see below |
//! | `GET /v1/sessions/{id}/logits?key=ID` | | the last encrypted output again |
//! | `DELETE /v1/sessions/{id}?key=ID` | | 204 |
//! | `GET /healthz` | | 200 while the server answers |
//! | `GET /readyz` | | 200 while it takes requests, or 503 |
//! | `GET /metrics` | | figures in the text format of Prometheus |
//! | `GET /openapi.json` | | this interface, described for programs (OpenAPI 3.1) |
//!
//! An upload whose connection breaks can be resumed for an hour, in the spirit of the IETF's draft "Resumable
//! Uploads for HTTP": a client asks how much has arrived, and sends the rest. `Upload-Length`, or the length of the
//! first request's body, says how much there will be. Of what another owner registers or uploads nothing can be seen.
//!
//! Manifests and vocabularies carry an `ETag` and honour `If-None-Match`.
//!
//! Circuits of bags take evaluations, circuits of tokens take sessions. Both answer with the encrypted
//! output and the `cipherformer-*` headers of [`headers`], or, if the client accepts
//! `text/event-stream`, with [`Event`]s: progress, then the result or a problem. A session's answer is
//! the output of the last of the tokens sent. Every error is a [`Problem`] (RFC 9457).
//!
//! [`Progress`] counts layers and LUTs, and says how long the rest will take; while an evaluation waits for its
//! turn, it says at which place. Layers have numbers, never names. Whoever goes away has a whole text's
//! evaluation stopped; tokens of a session that are under way are evaluated to their end, as their answer can
//! be fetched.
//!
//! `busy` (429) and `shutting-down` (503) come with `Retry-After` in seconds; the same request may go well then. Every
//! answer has an `x-request-id` by the server, which problems repeat as `request_id`.

mod frames;
mod id;
mod messages;
mod problem;
pub mod routes;

pub use frames::{FRAME_BYTES, InvalidFrames, frame, unframe};
pub use id::{InvalidKeyId, InvalidSessionId, KeyId, SessionId};
pub use messages::{
    CircuitList, CircuitSummary, EvaluationResult, Event, KeyInfo, Progress, SessionInfo,
};
pub use problem::{Problem, ProblemKind};

/// Media type of keys and ciphertexts.
pub const OCTETS: &str = "application/octet-stream";

/// Media type of progress events.
pub const EVENTS: &str = "text/event-stream";

/// Media type of [`Problem`]s.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Response headers: of an evaluation, and the id of every request.
pub mod headers {
    /// Milliseconds the evaluation took on the server.
    pub const SERVER_MS: &str = "cipherformer-server-ms";
    /// Programmable bootstraps it took.
    pub const LUTS: &str = "cipherformer-luts";
    /// Ring products it took.
    pub const RING_PRODUCTS: &str = "cipherformer-ring-products";
    /// The server's name for the request; in every answer, and in every line of its log.
    pub const REQUEST_ID: &str = "x-request-id";
    /// How many positions its session has had, if it belongs to one.
    pub const POSITION: &str = "cipherformer-position";
}

/// Headers of uploads that can be resumed.
pub mod upload {
    /// How many bytes have arrived; in a request, where its body begins.
    pub const OFFSET: &str = "upload-offset";
    /// How many bytes there will be in all.
    pub const LENGTH: &str = "upload-length";
}
