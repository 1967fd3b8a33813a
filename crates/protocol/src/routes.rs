//! Paths of the HTTP interface. Names and ids are made of characters that need no escaping.

use crate::id::{KeyId, SessionId};

/// The list of circuits.
pub const CIRCUITS: &str = "/v1/circuits";
/// One circuit's manifest, as a route pattern.
pub const CIRCUIT: &str = "/v1/circuits/{name}";
/// One circuit's vocabulary, as a route pattern.
pub const VOCABULARY: &str = "/v1/circuits/{name}/vocabulary";
/// Evaluations of one circuit, as a route pattern.
pub const EVALUATIONS: &str = "/v1/circuits/{name}/evaluations";
/// Sessions of one circuit, as a route pattern.
pub const SESSIONS: &str = "/v1/circuits/{name}/sessions";
/// One session, as a route pattern.
pub const SESSION: &str = "/v1/sessions/{id}";
/// A session's tokens, as a route pattern.
pub const TOKENS: &str = "/v1/sessions/{id}/tokens";
/// A session's last output, as a route pattern.
pub const LOGITS: &str = "/v1/sessions/{id}/logits";
/// One evaluation key, as a route pattern.
pub const KEY: &str = "/v1/keys/{id}";
/// The upload of an evaluation key that broke off, as a route pattern.
pub const UPLOAD: &str = "/v1/keys/{id}/upload";

/// Whether the process answers at all.
pub const HEALTH: &str = "/healthz";
/// Whether it can take requests.
pub const READY: &str = "/readyz";
/// Figures for Prometheus.
pub const METRICS: &str = "/metrics";
/// This interface, as an OpenAPI document.
pub const OPENAPI: &str = "/openapi.json";

/// Path of a circuit's manifest.
pub fn circuit(name: &str) -> String {
    CIRCUIT.replace("{name}", name)
}

/// Path of a circuit's vocabulary.
pub fn vocabulary(name: &str) -> String {
    VOCABULARY.replace("{name}", name)
}

/// Path and query of a new evaluation of a circuit, whose digest the client encrypted for.
pub fn evaluations(name: &str, key: &KeyId, digest: &str) -> String {
    let path = EVALUATIONS.replace("{name}", name);
    format!("{path}?key={key}&digest={digest}")
}

/// Path and query for a new session of a circuit, whose digest the client encrypts for.
pub fn sessions(name: &str, key: &KeyId, digest: &str) -> String {
    let path = SESSIONS.replace("{name}", name);
    format!("{path}?key={key}&digest={digest}")
}

/// Path and query of a session under this key.
pub fn session(id: &SessionId, key: &KeyId) -> String {
    of_session(SESSION, id, key)
}

/// Path and query for more tokens of a session that has had `position` of them.
pub fn tokens(id: &SessionId, key: &KeyId, position: usize) -> String {
    format!("{}&position={position}", of_session(TOKENS, id, key))
}

/// Path and query of a session's last output.
pub fn logits(id: &SessionId, key: &KeyId) -> String {
    of_session(LOGITS, id, key)
}

fn of_session(pattern: &str, id: &SessionId, key: &KeyId) -> String {
    let path = pattern.replace("{id}", &id.to_string());
    format!("{path}?key={key}")
}

/// Path of an evaluation key.
pub fn key(id: &KeyId) -> String {
    KEY.replace("{id}", &id.to_string())
}

/// Path and query for the upload of an evaluation key.
pub fn key_upload(id: &KeyId, parameter_set: &str) -> String {
    format!("{}?parameter_set={parameter_set}", key(id))
}

/// Path and query of an upload that broke off.
pub fn resumed_upload(id: &KeyId, parameter_set: &str) -> String {
    let path = UPLOAD.replace("{id}", &id.to_string());
    format!("{path}?parameter_set={parameter_set}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fill_their_patterns() {
        let id = KeyId::of(b"key");
        assert_eq!(circuit("a-b"), "/v1/circuits/a-b");
        assert_eq!(vocabulary("a-b"), "/v1/circuits/a-b/vocabulary");
        assert_eq!(
            evaluations("a-b", &id, "12ab"),
            format!("/v1/circuits/a-b/evaluations?key={id}&digest=12ab")
        );
        assert_eq!(
            key_upload(&id, "standard-2048"),
            format!("/v1/keys/{id}?parameter_set=standard-2048")
        );
        assert_eq!(
            resumed_upload(&id, "standard-2048"),
            format!("/v1/keys/{id}/upload?parameter_set=standard-2048")
        );
        let session_id = SessionId::new(10);
        assert_eq!(
            tokens(&session_id, &id, 3),
            format!("/v1/sessions/0000000000000000000000000000000a/tokens?key={id}&position=3")
        );
        assert_eq!(
            sessions("a-b", &id, "12ab"),
            format!("/v1/circuits/a-b/sessions?key={id}&digest=12ab")
        );
    }
}
