//! Runs of the page: what is told of them, and what never is.

mod browser;
mod fake_server;
mod judging_server;
mod writing_server;

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use browser::{Page, of};
use cipherformer_circuit::parameters::INSECURE_TOY;
use cipherformer_client::{KeyHome, PublicCircuit};
use fake_server::FakeServer;
use serde_json::{Value, json};
use tempfile::TempDir;

fn home() -> TempDir {
    tempfile::tempdir().expect("temporary")
}

fn judge() -> FakeServer {
    judging_server::serve(&judging_server::state("for tests"))
}

fn verdict_of(text: &str) -> Value {
    json!({ "circuit": "toy", "text": text })
}

fn name_of(prefix: &str, count: impl serde::Serialize, temperature: f64) -> Value {
    json!({ "circuit": "toy", "text": prefix, "count": count, "temperature": temperature })
}

fn names(events: &[Value]) -> Vec<&str> {
    let names = events.iter().filter_map(|event| event["event"].as_str());
    let mut names: Vec<_> = names.collect();
    names.dedup();
    names
}

#[test]
fn a_text_is_classified_step_by_step() {
    let (home, server) = (home(), judge());
    let page = Page::serve(server.url(), home.path());
    let first = page.run(&verdict_of("bad bad"));
    let steps = [
        "tokenized",
        "making_keys",
        "uploading",
        "keys",
        "clear",
        "sent",
        "evaluating",
        "received",
        "verdict",
        "done",
    ];
    assert_eq!(names(&first), steps);
    assert_eq!(of(&first, "tokenized")[0]["tokens"], json!(["w:bad"]));
    assert_eq!(of(&first, "evaluating")[0]["layers"], 4);
    let verdict = of(&first, "verdict")[0];
    assert_eq!(verdict["label"], "bad");
    assert_eq!(verdict["luts"], 2);
    for (travels, size) in [("sent", "request_bytes"), ("received", "response_bytes")] {
        let event = of(&first, travels)[0];
        let bytes = BASE64_STANDARD.decode(event["base64"].as_str().expect("text"));
        assert_eq!(bytes.expect("base64").len() as u64, event["bytes"]);
        assert_eq!(event["bytes"], verdict[size]);
    }
    let clear = of(&first, "clear")[0];
    assert_eq!(clear["text"], r#"{"text":"bad bad"}"#);
    assert_eq!(clear["bytes"], 18);

    let second = page.run(&verdict_of("good"));
    assert_eq!(
        of(&second, "making_keys").len() + of(&second, "uploading").len(),
        0
    );
    assert_eq!(of(&second, "verdict")[0]["label"], "good");
    assert_eq!(
        of(&second, "sent")[0]["bytes"],
        of(&first, "sent")[0]["bytes"]
    );
    assert_ne!(
        of(&second, "sent")[0]["base64"],
        of(&first, "sent")[0]["base64"]
    );
    let cleartext = server
        .requests()
        .iter()
        .any(|request| request.contains("good"));
    assert!(!cleartext, "the server was asked nothing in the clear");
    no_secret_is_in(&[first, second], home.path());
}

/// Not as it is, not in hexadecimal or base64, not as a picture.
fn no_secret_is_in(runs: &[Vec<Value>], home: &Path) {
    let secret = std::fs::read(home.join("keys/insecure-toy/secret.key")).expect("made");
    let secret = &secret[secret.len() / 2..]; // its beginning says its type, as that of ciphertexts does
    assert!(secret.len() >= 64, "{}", secret.len());
    let mut told = Vec::new();
    for event in runs.iter().flatten() {
        told.extend(event.to_string().into_bytes());
        if let Some(picture) = event["base64"].as_str() {
            told.extend(BASE64_STANDARD.decode(picture).expect("base64"));
        }
    }
    let contains = |part: &[u8]| told.windows(part.len()).any(|window| window == part);
    assert!(contains(b"\"verdict\""), "the search finds what is there");
    for part in secret.chunks_exact(32) {
        let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!contains(part) && !contains(hex.as_bytes()));
        for shift in 0..3 {
            let text = BASE64_STANDARD.encode(&part[shift..shift + 27]);
            assert!(!contains(text.as_bytes()));
        }
    }
}

/// The circuit that the judge has, as its clients know it.
fn toy() -> PublicCircuit {
    let circuit = judging_server::circuit("for tests");
    let (manifest, vocabulary) = (circuit.manifest().clone(), circuit.vocabulary().to_text());
    PublicCircuit::new("toy", manifest, &vocabulary).expect("a good circuit")
}

#[test]
fn scores_are_those_of_the_library_rounded() {
    let (home, server, circuit) = (home(), judge(), toy());
    let page = Page::serve(server.url(), home.path());
    for text in ["bad", "good", "bad good"] {
        let events = page.run(&verdict_of(text));
        let output = of(&events, "received")[0]["base64"].as_str();
        let output = BASE64_STANDARD.decode(output.expect("text"));
        let keys = KeyHome::new(home.path()).allow_insecure();
        let keys = keys.load(&INSECURE_TOY).expect("readable");
        let keys = keys.expect("made");
        let verdict = circuit.decrypt(&output.expect("base64"), keys.secret());
        let verdict = verdict.expect("an answer");
        let told = of(&events, "verdict")[0];
        assert_eq!(told["label"], json!(verdict.label), "{text}");
        assert_eq!(told["scores"], json!(verdict.scores), "{text}");
        for score in told["scores"].as_array().expect("a list") {
            // Steps of 1, 2 or 5 times a power of ten: a few digits, where an exact value has sixteen.
            let digits = score.to_string().trim_start_matches(['-', '0', '.']).len();
            assert!(digits <= 6, "{score}");
        }
    }
}

#[test]
fn names_grow_letter_by_letter() {
    let (home, server) = (
        home(),
        writing_server::serve(&writing_server::state([1, 2, 0])),
    );
    let page = Page::serve(server.url(), home.path());
    let events = page.run(&name_of("b", 2, 0.0));
    assert_eq!(of(&events, "tokenized")[0]["tokens"], json!(["<end>", "b"]));
    let letters = of(&events, "letter");
    let drawn: Vec<_> = letters.iter().map(|event| &event["letter"]).collect();
    assert_eq!(drawn, [&Value::Null, &Value::Null], "after b comes the end");

    let events = page.run(&name_of("", 1, 0.0));
    let (letters, name) = (of(&events, "letter"), of(&events, "name")[0]);
    let drawn: String = letters
        .iter()
        .filter_map(|event| event["letter"].as_str())
        .collect();
    assert_eq!((drawn.as_str(), &name["text"]), ("ab", &json!("ab")));
    assert_eq!(letters.len(), 3, "the end is drawn too");
    assert_eq!(of(&events, "sent").len(), 3);
    let clear: Vec<_> = of(&events, "clear")
        .iter()
        .map(|event| event["text"].clone())
        .collect();
    assert_eq!(
        clear,
        [
            r#"{"tokens":["<end>"]}"#,
            r#"{"tokens":["a"]}"#,
            r#"{"tokens":["b"]}"#
        ]
    );
    let bytes: u64 = letters
        .iter()
        .filter_map(|event| event["request_bytes"].as_u64())
        .sum();
    assert_eq!(name["request_bytes"], bytes);
    assert_eq!(
        letters[0]["logits"], 3,
        "their number is told, they are not"
    );
    assert!(!events.iter().any(|event| event["logits"].is_array()));
}

#[test]
fn input_that_cannot_be_used_is_refused_in_words_before_keys_are_made() {
    let (judge_home, server) = (home(), judge());
    let judge = Page::serve(server.url(), judge_home.path());
    let (writer_home, server) = (
        home(),
        writing_server::serve(&writing_server::state([1, 2, 0])),
    );
    let writer = Page::serve(server.url(), writer_home.path());
    let cases = [
        (&judge, verdict_of(" \n"), "text", "the text is empty"),
        (
            &judge,
            verdict_of(&"a".repeat(20_001)),
            "text",
            "shorten it to 20000",
        ),
        (
            &writer,
            name_of("aB", 1, 0.8),
            "text",
            "no letter 'B'; use only these: a b",
        ),
        (&writer, name_of("abab", 1, 0.8), "text", "pass at most 3"),
        (&writer, name_of("", 0, 0.8), "count", "from 1 to 20"),
        (&writer, name_of("", 21, 0.8), "count", "from 1 to 20"),
        (&writer, name_of("", -1, 0.8), "count", "from 1 to 20"),
        (&writer, name_of("", 1.5, 0.8), "count", "from 1 to 20"),
        (&writer, name_of("", 1e30, 0.8), "count", "from 1 to 20"),
        (
            &writer,
            name_of("", 1, -1.0),
            "temperature",
            "temperature -1 is not usable",
        ),
    ];
    for (page, order, field, reason) in cases {
        let events = page.run(&order);
        let last = events.last().expect("an end");
        assert_eq!(
            (&last["event"], &last["field"]),
            (&json!("error"), &json!(field)),
            "{order}"
        );
        let message = last["message"].as_str().expect("a sentence");
        assert!(message.contains(reason), "{reason}: {message}");
    }
    let other = judge.run(&json!({ "circuit": "../x", "text": "" }));
    assert_eq!(other[0]["field"], Value::Null, "no field is to blame");
    assert!(other[0]["message"].to_string().contains("no circuit"));
    for home in [judge_home, writer_home] {
        assert!(!home.path().join("keys").exists());
    }
}

#[test]
fn a_server_that_is_lost_is_waited_for_and_told_of() {
    let (home, state) = (home(), judging_server::state(""));
    let server = judging_server::serve(&state);
    let page = Page::serve(server.url(), home.path());
    state.lock().expect("no panic").lost = 1;
    let events = page.run(&verdict_of("bad"));
    assert_eq!(of(&events, "waiting")[0]["lost"], true);
    assert_eq!(of(&events, "verdict").len(), 1);
}
