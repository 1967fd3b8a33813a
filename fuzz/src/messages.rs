//! Texts and frames: what has no checksum.

use cipherformer_circuit::{Bag, Manifest, Vocabulary};
use cipherformer_fhe::EncryptedBag;
use cipherformer_protocol::{Event, KeyId, Problem, SessionId, frame, unframe};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ciphertexts::SECRET;

/// The tokens of a session's request.
pub fn frames(bytes: &[u8]) {
    if let Ok(parts) = unframe(bytes) {
        let parts: Vec<Vec<u8>> = parts.into_iter().map(<[u8]>::to_vec).collect();
        assert_eq!(frame(&parts), bytes, "there is one way to write them");
    }
}

/// Names of keys and sessions.
pub fn ids(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(id) = text.parse::<KeyId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(id) = text.parse::<SessionId>() {
        assert_eq!(id.to_string(), text);
    }
}

/// What a server says of a circuit; what passes its checks can be used.
pub fn manifest(bytes: &[u8]) {
    let Some(manifest) = json::<Manifest>(bytes) else {
        return;
    };
    let ours = SECRET.parameters().name;
    if manifest.check().is_ok_and(|set| set.name == ours) {
        EncryptedBag::encrypt(&Bag::token(0), &manifest, &SECRET).expect("it was checked");
    }
}

/// The features of a circuit.
pub fn vocabulary(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(vocabulary) = Vocabulary::from_text(&text, 16, 2) {
        let again = Vocabulary::from_text(&vocabulary.to_text(), 16, 2).expect("just written");
        assert_eq!(again.sha256(), vocabulary.sha256());
        // The text of the features is a text as good as any.
        assert!(vocabulary.bag(&text).features().len() <= 16);
    }
}

/// What a server says went wrong.
pub fn problem(bytes: &[u8]) {
    json::<Problem>(bytes);
}

/// What a server says of an evaluation: the event's name, a line's end, its data.
pub fn event(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (name, data) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(Some(event)) = Event::from_parts(name, data) {
        let (name, data) = event.to_parts();
        let again = Event::from_parts(name, &data).expect("just written");
        assert_eq!(again, Some(event));
    }
}

/// What was read, if it is one; written and read again it is the same.
fn json<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(bytes).ok()?;
    let text = serde_json::to_vec(&value).expect("plain data");
    let again: T = serde_json::from_slice(&text).expect("just written");
    assert_eq!(again, value);
    Some(value)
}
