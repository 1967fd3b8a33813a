//! One hostile request: an operation, most of whose parts are right, and some of which are not.

use cipherformer_fuzz::mutated;
use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::interface::{Operation, Parameter, Place};
use super::material::Material;
use super::value;

/// Methods that some path does not take.
const METHODS: [&str; 8] = [
    "GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW",
];

/// Headers that mean something to somebody, and what they may say.
const HEADERS: [(&str, &[&str]); 8] = [
    (
        "accept",
        &[
            "text/event-stream",
            "application/octet-stream",
            "*/*",
            "a/b;q=x",
            ",,;",
        ],
    ),
    (
        "content-type",
        &["application/octet-stream", "application/json", "x", ""],
    ),
    ("if-none-match", &["*", "\"", "W/\"0\", \"1\"", "nonsense"]),
    (
        "authorization",
        &["Bearer", "Bearer x", "Basic eDp4", "\u{1}"],
    ),
    ("range", &["bytes=0-1", "bytes=-1", "lines=1"]),
    ("x-request-id", &["mine", "0000000000000000"]),
    ("content-encoding", &["gzip", "identity", "none"]),
    ("upload-offset", &["-1", "18446744073709551616", "a"]),
];

/// A whole key, mutated, once in so many uploads: it has 14 MB.
const WHOLE_KEYS: u32 = 150;
/// A body larger than any ciphertext.
const TOO_LARGE: usize = 300_000;

/// A request, ready to be sent.
pub(super) struct Hostile {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// A part of the path is empty: there may be no such path.
    pub(super) elsewhere: bool,
}

/// Makes one.
pub(super) fn draw(operation: &Operation, material: &Material, random: &mut StdRng) -> Hostile {
    let which = random.random_range(0..2);
    let mut hostile = Hostile {
        method: operation.method.clone(),
        target: operation.pattern.clone(),
        headers: HeaderMap::new(),
        body: body(operation, material, random),
        elsewhere: false,
    };
    if random.random_ratio(1, 25) {
        let method = METHODS[random.random_range(0..METHODS.len())];
        hostile.method = method.parse().expect("a token");
    }
    let mut query = Vec::new();
    for parameter in &operation.parameters {
        let rarely = if parameter.required { 25 } else { 2 };
        if parameter.place != Place::Path && random.random_ratio(1, rarely) {
            continue;
        }
        let value = draw_value(operation, parameter, material, which, random);
        match parameter.place {
            Place::Path => hostile.fill(&parameter.name, &value),
            Place::Query => query.push(format!("{}={}", parameter.name, encoded(&value))),
            Place::Header => hostile.header(&parameter.name, &value),
        }
    }
    for _ in 0..random.random_range(0..3) {
        let (name, values) = HEADERS[random.random_range(0..HEADERS.len())];
        hostile.header(name, values[random.random_range(0..values.len())]);
    }
    if random.random_ratio(1, 30) && !query.is_empty() {
        query.push(query[0].clone());
    }
    if random.random_ratio(1, 30) {
        query.push("unknown=1&&=&".to_owned());
    }
    if !query.is_empty() {
        hostile.target = format!("{}?{}", hostile.target, query.join("&"));
    }
    hostile
}

impl Hostile {
    /// Puts a value into the path.
    fn fill(&mut self, name: &str, value: &str) {
        // Dots alone are another path, as every client knows.
        let value = if matches!(value, "." | "..") {
            ""
        } else {
            value
        };
        self.elsewhere |= value.is_empty();
        self.target = self.target.replace(&format!("{{{name}}}"), &encoded(value));
    }

    /// What no header may hold is left out.
    fn header(&mut self, name: &str, value: &str) {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            self.headers.append(name, value);
        }
    }
}

/// Right in most cases: what is wrong in all its parts does not get far.
fn draw_value(
    operation: &Operation,
    parameter: &Parameter,
    material: &Material,
    which: usize,
    random: &mut StdRng,
) -> String {
    let right = material.value(&operation.pattern, &parameter.name, which);
    match (random.random_range(0..10), right) {
        (0..=6, Some(right)) => right,
        (7, _) | (0..=6, None) => value::valid(&parameter.schema, random),
        _ => value::strange(&parameter.schema, random),
    }
}

fn body(operation: &Operation, material: &Material, random: &mut StdRng) -> Vec<u8> {
    let unexpected = random.random_ratio(1, 20);
    if !operation.takes_body && !unexpected {
        return Vec::new();
    }
    if operation.method == Method::PUT && random.random_ratio(1, WHOLE_KEYS) {
        let mut key = material.key().to_vec();
        let at = random.random_range(0..key.len());
        key[at] ^= 1 << random.random_range(0..8);
        return key;
    }
    match random.random_range(0..10) {
        0 => Vec::new(),
        1 => vec![0; random.random_range(0..TOO_LARGE)],
        2 => (0..random.random_range(0..4096))
            .map(|_| random.random())
            .collect(),
        3 => material.bodies[random.random_range(0..material.bodies.len())].clone(),
        _ => mutated(&material.bodies, random.random()),
    }
}

/// Percent-encoded; what looks encoded already is left, right or wrong.
fn encoded(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
