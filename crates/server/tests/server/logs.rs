//! What the log says, and what it never says.

use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, PoisonError};

use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cipherformer_protocol::{headers, routes};
use cipherformer_server::{LogFormat, subscriber};
use serde_json::Value;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::texts::{WRITER, append, close, open, show, world};
use crate::world::{CLIENT, World, evaluation, flipped};

/// All that the tests of this program log, whichever thread it comes from.
static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

static LOGGING: LazyLock<()> = LazyLock::new(|| {
    let filter = EnvFilter::new("trace");
    subscriber(LogFormat::Json, filter, false, Lines).init();
});

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Lines
    }
}

fn log() -> String {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8(lines.clone()).expect("text")
}

/// The messages of the lines of this request.
fn messages(log: &str, id: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).expect("one object a line");
        let own = line.pointer("/span/id").and_then(Value::as_str) == Some(id);
        own.then(|| line["message"].as_str().unwrap_or_default().to_owned())
    });
    lines.collect()
}

#[tokio::test]
async fn every_line_of_a_request_has_its_id() {
    LazyLock::force(&LOGGING);
    let world = World::new();
    let registered = world.register().await;
    let evaluated = world.evaluate().await;
    let streamed = Request::post(evaluation()).header("accept", "text/event-stream");
    let streamed = streamed.body(Body::from(CLIENT.input.clone()));
    let streamed = world.request(streamed.expect("valid")).await;
    let log = log();
    let id = registered.header(headers::REQUEST_ID);
    assert!(messages(&log, id).contains(&"key registered".to_owned()));
    let id = evaluated.header(headers::REQUEST_ID);
    for message in ["expanded a key", "evaluated", "answered"] {
        assert!(
            messages(&log, id).contains(&message.to_owned()),
            "{message}"
        );
    }
    let id = streamed.header(headers::REQUEST_ID);
    for message in ["evaluated", "answered"] {
        assert!(
            messages(&log, id).contains(&message.to_owned()),
            "{message}"
        );
    }
}

#[tokio::test]
async fn no_line_holds_a_key_a_session_or_a_ciphertext() {
    LazyLock::force(&LOGGING);
    let world = world(|_| ()).await;
    world.register().await;
    let session = open(&world).await.id;
    let answer = append(&world, &session, 0, &[0, 1]).await;
    append(&world, &session, 0, &[2]).await.problem();
    show(&world, &session).await;
    world.get(&routes::logits(&session, &WRITER.id)).await;
    let streamed = Request::post(routes::tokens(&session, &WRITER.id, 2))
        .header("accept", "text/event-stream")
        .header("authorization", "Bearer of-good-news-0123456789")
        .header("x-request-id", "chosen-by-the-client");
    let streamed = streamed.body(Body::from(WRITER.encrypt(&[3])));
    let streamed = world.request(streamed.expect("valid")).await;
    let verdict = world.evaluate().await;
    // What goes wrong is logged as well.
    let damaged = Request::post(evaluation()).body(Body::from(flipped(&CLIENT.input, 99)));
    world.request(damaged.expect("valid")).await.problem();
    world
        .get(&format!("/v1/sessions/{session}?key=short"))
        .await
        .problem();
    world
        .get(&format!("/v1/sessions/{session}"))
        .await
        .problem();
    world
        .get(&format!("/nowhere/{session}?key={}", WRITER.id))
        .await
        .problem();
    close(&world, &session).await;
    world
        .get(&routes::session(&session, &WRITER.id))
        .await
        .problem();
    let log = log();
    assert!(log.contains("answered") && log.lines().count() > 10);
    for (what, secret) in [
        ("a session", session.to_string()),
        ("a key's id", WRITER.id.to_string()),
        ("a key's id", CLIENT.id.to_string()),
        ("a token", "of-good-news-0123456789".to_owned()),
        ("a client's id", "chosen-by-the-client".to_owned()),
    ] {
        assert!(!log.contains(&secret), "{what} is in the log");
    }
    let events = String::from_utf8(streamed.body.to_vec()).expect("text");
    let start = events.find(r#""output":""#).expect("a result") + 10;
    for (what, secret) in [
        ("an input", CLIENT.input.as_slice()),
        ("an output", &answer.body),
        ("an output", &verdict.body),
        ("a key", &CLIENT.key),
        ("a key", &WRITER.key),
        ("an event", &events.as_bytes()[start..]),
    ] {
        // Checksums and headers are the same for all; what follows is random.
        for start in [0, 200, 900] {
            let part = &secret[start..start + 24];
            let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
            let decimal = format!("{part:?}");
            let decimal = decimal.trim_matches(['[', ']']);
            let base64 = BASE64_STANDARD.encode(part);
            let text = String::from_utf8_lossy(part);
            for form in [hex.as_str(), &hex.to_uppercase(), decimal, &base64, &text] {
                assert!(!log.contains(form), "{what} is in the log: {form}");
            }
        }
    }
}
