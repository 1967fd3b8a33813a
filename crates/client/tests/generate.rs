//! Sessions and generated texts, against a server that really evaluates, forgets and loses things.

mod fake_server;
mod writing_server;

use std::future::pending;
use std::sync::Arc;

use cipherformer_client::{Client, ClientError, Generation, KeyHome, Sampling};
use fake_server::FakeServer;
use tempfile::TempDir;
use writing_server::{serve, state};

async fn connect(server: &FakeServer, home: &TempDir) -> Client {
    let home = KeyHome::new(home.path()).allow_insecure();
    let client = Client::connect(server.url(), home, Arc::new(())).await;
    client.expect("it is there")
}

/// The most probable text that begins so.
async fn generate(client: &Client, prefix: &str) -> Result<Generation, ClientError> {
    let sampling = Sampling::new(0.0, None).expect("valid");
    let mut letters = prefix.to_owned();
    let letter = |letter: &str| letters.push_str(letter);
    let generated = client
        .generate("toy", prefix, &sampling, 7, letter, pending())
        .await?;
    assert_eq!(generated.text, letters, "every letter was told");
    Ok(generated)
}

fn count(server: &FakeServer, start: &str) -> usize {
    let requests = server.requests();
    requests.iter().filter(|r| r.starts_with(start)).count()
}

#[tokio::test]
async fn a_text_is_continued_until_it_ends() {
    let (home, server) = (
        tempfile::tempdir().expect("temporary"),
        serve(&state([1, 2, 0])),
    );
    let client = connect(&server, &home).await;
    let whole = generate(&client, "").await.expect("ab");
    assert_eq!(
        (whole.text.as_str(), whole.tokens, whole.seed),
        ("ab", 3, 7)
    );
    assert_eq!(whole.seconds_per_token, 1.5);
    assert_eq!(count(&server, "POST /v1/sessions/"), 3);
    let rest = generate(&client, "ba").await.expect("bab");
    assert_eq!((rest.text.as_str(), rest.tokens), ("bab", 4));
    assert_eq!(
        count(&server, "POST /v1/sessions/"),
        5,
        "a prefix is one request"
    );
    assert_eq!(rest.request_bytes, whole.request_bytes / 3 * 4);
    assert_eq!(count(&server, "DELETE /v1/sessions/"), 2);
}

#[tokio::test]
async fn a_text_is_continued_until_the_context_is_full() {
    let (home, server) = (
        tempfile::tempdir().expect("temporary"),
        serve(&state([1, 2, 1])),
    );
    let client = connect(&server, &home).await;
    assert_eq!(generate(&client, "").await.expect("full").text, "abab");
    assert_eq!(generate(&client, "aab").await.expect("full").text, "aaba");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_and_a_busy_server_too() {
    let (home, state) = (tempfile::tempdir().expect("temporary"), state([1, 2, 0]));
    let server = serve(&state);
    let client = connect(&server, &home).await;
    // The first letter's, and that to the question whether there is one.
    state.lock().expect("no panic").lose = 2;
    state.lock().expect("no panic").busy = 2;
    assert_eq!(generate(&client, "").await.expect("in the end").text, "ab");
    assert_eq!(
        count(&server, "POST /v1/sessions/"),
        2 + 3,
        "nothing is sent twice"
    );
    let logits = server.requests();
    assert_eq!(logits.iter().filter(|r| r.ends_with("/logits")).count(), 1);
}

#[tokio::test]
async fn tokens_that_were_not_heard_are_sent_again_and_work_under_way_is_waited_for() {
    let (home, state) = (tempfile::tempdir().expect("temporary"), state([1, 2, 0]));
    let server = serve(&state);
    let client = connect(&server, &home).await;
    state.lock().expect("no panic").unheard = 1;
    assert_eq!(generate(&client, "").await.expect("in the end").text, "ab");
    assert_eq!(count(&server, "POST /v1/sessions/"), 1 + 3);
    state.lock().expect("no panic").lose = 1;
    state.lock().expect("no panic").at_work = 1;
    assert_eq!(generate(&client, "").await.expect("in the end").text, "ab");
    assert_eq!(count(&server, "POST /v1/sessions/"), 4 + 3);
}

/// The server may have evaluated what failed: its logits must not pass for those of other tokens.
#[tokio::test]
async fn after_a_failure_the_text_is_sent_to_another_session() {
    let (home, state) = (tempfile::tempdir().expect("temporary"), state([1, 2, 0]));
    let server = serve(&state);
    let client = connect(&server, &home).await;
    let circuit = client.circuit("toy").await.expect("there");
    let keys = client.keys(circuit.parameters()).await.expect("made");
    let mut session = client.open_session(&circuit, &keys).await.expect("open");
    session.append(&[0]).await.expect("evaluated");
    state.lock().expect("no panic").nonsense = true;
    session.append(&[1]).await.expect_err("not logits");
    assert_eq!(session.position(), 1);
    state.lock().expect("no panic").lose = 1;
    let step = session.append(&[2]).await.expect("evaluated");
    let most = (0..3).max_by(|&a, &b| step.logits[a].total_cmp(&step.logits[b]));
    assert_eq!(most, Some(0), "what follows 2, not what follows 1");
    assert_eq!(count(&server, "DELETE"), 1, "the first session is closed");
}

#[tokio::test]
async fn cancelling_closes_the_session() {
    let (home, state) = (tempfile::tempdir().expect("temporary"), state([1, 2, 0]));
    let server = serve(&state);
    let client = connect(&server, &home).await;
    let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
    let mut cancel = Some(cancel);
    let letter = |_: &str| drop(cancel.take());
    let cancelled = async { drop(cancelled.await) };
    let sampling = Sampling::new(0.0, None).expect("valid");
    let generated = client.generate("toy", "", &sampling, 7, letter, cancelled);
    assert!(matches!(generated.await, Err(ClientError::Cancelled)));
    assert_eq!(count(&server, "DELETE"), 1);
}

#[tokio::test]
async fn a_forgotten_session_is_begun_again() {
    let (home, state) = (tempfile::tempdir().expect("temporary"), state([1, 2, 0]));
    let server = serve(&state);
    let client = connect(&server, &home).await;
    let circuit = client.circuit("toy").await.expect("there");
    let keys = client.keys(circuit.parameters()).await.expect("made");
    let mut session = client.open_session(&circuit, &keys).await.expect("open");
    let step = session.append(&[0, 1]).await.expect("evaluated");
    assert_eq!((step.logits.len(), session.position()), (3, 2));
    state.lock().expect("no panic").sessions.clear();
    let again = session.append(&[2]).await.expect("all sent again");
    assert_eq!(again.request_bytes, step.request_bytes / 2 * 3);
    assert_eq!(session.remaining(), 1);
    for tokens in [&[][..], &[1, 1]] {
        let error = session.append(tokens).await.expect_err("does not fit");
        assert!(matches!(error, ClientError::NoRoom { remaining: 1, .. }));
    }
    session.close().await.expect("closed");
}

#[tokio::test]
async fn what_cannot_be_continued_is_refused_before_keys_are_made() {
    let (home, state) = (tempfile::tempdir().expect("temporary"), state([1, 2, 0]));
    let server = serve(&state);
    let client = connect(&server, &home).await;
    for (prefix, reason) in [
        ("aXb", "no letter 'X'; use only these: a b"),
        ("<end>", "no letter '<'"),
        (
            "abab",
            "4 letters is too long for the circuit; pass at most 3",
        ),
    ] {
        let error = generate(&client, prefix).await.expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
    let error = client
        .classify("toy", "a")
        .await
        .expect_err("no classifier");
    assert!(error.to_string().contains("`generate`"), "{error}");
    let bags = state
        .lock()
        .expect("no panic")
        .prepared
        .circuit()
        .manifest()
        .clone();
    state.lock().expect("no panic").manifest = bags;
    let client = connect(&server, &home).await;
    let error = generate(&client, "a").await.expect_err("no generator");
    assert!(error.to_string().contains("`classify`"), "{error}");
    assert_eq!(count(&server, "PUT"), 0);
}
