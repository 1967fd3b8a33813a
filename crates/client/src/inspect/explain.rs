//! What the fields that a server sends say, and what they do not say.

use serde::Serialize;
use serde_json::Value;

use crate::error::one_line;

/// Lists are shown up to this many characters.
const SHOWN: usize = 100;

/// A field, with its meaning.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// Its name; with dots, if it is inside of others.
    pub name: String,
    /// What the server said, if it has been asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What that says, and what it does not say.
    pub meaning: &'static str,
}

/// Fields of a manifest.
const MANIFEST: &[(&str, &str)] = &[
    (
        "format",
        "version of this list of fields; the same for all circuits",
    ),
    ("name", "the circuit's name, which its owner chose"),
    ("description", "a sentence of its owner's; nobody checks it"),
    (
        "digest",
        "SHA-256 of the whole circuit, private body included: it tells when the circuit changes, and nothing of it, \
         unless one has the same circuit to compare",
    ),
    (
        "parameter_set",
        "name of the encryption parameters: says how precise and deep the computation must be at least, not what \
         it computes; their numbers are this program's own, and held to 128 bits of security",
    ),
    (
        "input.kind",
        "whether a text goes in as a bag of words (\"bag\") or letter by letter (\"tokens\")",
    ),
    (
        "input.context",
        "how many positions a text may have; 1, and not sent, for bags",
    ),
    (
        "input.entries",
        "how many words, word pairs or letters the circuit looks at: the vocabulary's length",
    ),
    (
        "input.max_features",
        "how many of a text's known words are used at most",
    ),
    (
        "input.min_count",
        "shorter texts are weighted as if they had so many words",
    ),
    (
        "input.scale",
        "how large a number stands for a word: follows from the range of the first layer's inputs, and so says a \
         little of how its noise was budgeted, not of its weights",
    ),
    (
        "input.vocabulary_sha256",
        "SHA-256 of the vocabulary, which is checked on arrival",
    ),
    (
        "output.kind",
        "whether there is a score a label (\"scores\") or a logit a token (\"logits\")",
    ),
    ("output.labels", "what the outputs are called"),
    (
        "output.scale",
        "how large a number stands for a score of 1: follows from the largest score that the circuit can give, so \
         it bounds the scores, and says nothing else of the weights",
    ),
    (
        "output.policy",
        "how much of the scores is in a response at all; the server enforces it under encryption",
    ),
    (
        "output.noise",
        "standard deviation of the noise in every response, which the server adds on purpose until it is this much, \
         so that noise says nothing of weights",
    ),
];

/// What comes with an answer.
const ANSWERS: &[(&str, &str)] = &[
    (
        "server_ms",
        "milliseconds the server says it took: depends on the circuit and on who else is served, not on the text",
    ),
    (
        "luts",
        "programmable bootstraps: the same for every text of a circuit (for every text at the same position), and \
         grows with the widths of its layers, which it so says something about",
    ),
    ("ring_products", "products of polynomials: as for LUTs"),
    (
        "position",
        "in a session, how many tokens it has had; the client knows",
    ),
    (
        "progress",
        "while the request waits, its place in the queue; then how many operations and LUTs are done, of how many, and \
         the server's estimate of the time left: how many LUTs each operation has can be told from it, not what \
         they compute",
    ),
    (
        "x-request-id",
        "the server's random name for the request, by which its log can be searched",
    ),
    (
        "output",
        "the encrypted scores or logits, which are opened here",
    ),
];

/// Every field of a manifest, in the order in which it came.
pub(super) fn manifest(manifest: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    collect("", manifest, &mut fields);
    fields
}

/// What comes with an answer.
pub(super) fn answers() -> Vec<Field> {
    let field = |&(name, meaning): &(&str, &'static str)| Field {
        name: name.to_owned(),
        value: None,
        meaning,
    };
    ANSWERS.iter().map(field).collect()
}

impl Field {
    /// The value on one line.
    pub fn shown(&self) -> String {
        match &self.value {
            Some(value) => one_line(&value.to_string(), SHOWN),
            None => String::new(),
        }
    }
}

fn collect(prefix: &str, value: &Value, fields: &mut Vec<Field>) {
    let Value::Object(object) = value else {
        fields.push(Field {
            name: prefix.to_owned(),
            value: Some(value.clone()),
            meaning: meaning(prefix).unwrap_or("this program has no explanation of this field"),
        });
        return;
    };
    for (name, value) in object {
        let name = match prefix {
            "" => name.clone(),
            prefix => format!("{prefix}.{name}"),
        };
        collect(&name, value, fields);
    }
}

fn meaning(name: &str) -> Option<&'static str> {
    let found = MANIFEST.iter().find(|(known, _)| *known == name);
    found.map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever adds a field to manifests has to say here what it tells.
    #[test]
    fn every_field_of_the_shipped_manifests_is_explained() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../circuits");
        let mut fields = Vec::new();
        for name in ["prompt-guard", "names-gpt"] {
            let json = std::fs::read(format!("{folder}/{name}/manifest.json"));
            let json: Value = serde_json::from_slice(&json.expect("it ships")).expect("JSON");
            fields.extend(manifest(&json));
        }
        assert!(fields.len() > 25, "{fields:?}");
        for field in &fields {
            assert!(
                meaning(&field.name).is_some(),
                "{} is not explained",
                field.name
            );
            assert!(!field.shown().is_empty() && field.shown().lines().count() == 1);
        }
    }
}
