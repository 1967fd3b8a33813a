//! Paths of the HTTP interface. Names and ids are made of characters that need no escaping.

use crate::id::KeyId;

/// The list of circuits.
pub const CIRCUITS: &str = "/v1/circuits";
/// One circuit's manifest, as a route pattern.
pub const CIRCUIT: &str = "/v1/circuits/{name}";
/// One circuit's vocabulary, as a route pattern.
pub const VOCABULARY: &str = "/v1/circuits/{name}/vocabulary";
/// Evaluations of one circuit, as a route pattern.
pub const EVALUATIONS: &str = "/v1/circuits/{name}/evaluations";
/// One evaluation key, as a route pattern.
pub const KEY: &str = "/v1/keys/{id}";

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

/// Path of an evaluation key.
pub fn key(id: &KeyId) -> String {
    KEY.replace("{id}", &id.to_string())
}

/// Path and query for the upload of an evaluation key.
pub fn key_upload(id: &KeyId, parameter_set: &str) -> String {
    format!("{}?parameter_set={parameter_set}", key(id))
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
    }
}
