//! What a client deletes is gone: every copy, every trace.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use axum::http::{Method, StatusCode};
use cipherformer_protocol::{ProblemKind, SessionId, routes};
use futures_util::future::join;

use crate::texts::{WRITER, append, close, open, world};
use crate::world::{CLIENT, World};

/// Names and versions, the same for all keys and all states.
const HEADER: usize = 256;
/// So many bytes in a row are no coincidence.
const WINDOW: usize = 32;

async fn delete(world: &World, path: &str) -> StatusCode {
    world.send(Method::DELETE, path, "").await.status
}

/// Every file below, with its name.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for item in fs::read_dir(folder).expect("a folder").flatten() {
        match item.path().is_dir() {
            true => files(&item.path(), found),
            false => {
                let name = item.file_name().to_string_lossy().into_owned();
                found.push((name, fs::read(item.path()).expect("readable")));
            }
        }
    }
}

/// The files that hold a part of these bytes: whoever copied twice a window's length of them is found.
fn traces(world: &World, secrets: &[&[u8]]) -> Vec<String> {
    let windows: HashSet<&[u8]> = secrets
        .iter()
        .flat_map(|bytes| bytes[HEADER..].chunks_exact(WINDOW))
        .filter(|window| window.iter().collect::<HashSet<_>>().len() > WINDOW / 2)
        .collect();
    let mut found = Vec::new();
    files(&world.config.data_dir, &mut found);
    found.retain(|(_, bytes)| bytes.windows(WINDOW).any(|window| windows.contains(window)));
    found.into_iter().map(|(name, _)| name).collect()
}

/// What is stored of a session.
fn state(world: &World, id: &SessionId) -> (Vec<u8>, Vec<u8>) {
    let sql = "SELECT state, last FROM sessions WHERE id = ?";
    let state = world
        .database()
        .query_row(sql, [String::from(id.clone())], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
    state.expect("stored")
}

#[tokio::test]
async fn nothing_is_left_of_a_deleted_key_and_its_sessions() {
    let world = world(|_| ()).await;
    world.register().await;
    let (closed, id) = (open(&world).await.id, open(&world).await.id);
    let mut states = Vec::new();
    for (id, tokens) in [(&closed, 0..2), (&id, 0..3)] {
        for position in tokens {
            append(&world, id, position, &[position]).await;
            let (state, last) = state(&world, id);
            states.extend([state, last]);
        }
    }
    close(&world, &closed).await;
    let mut secrets: Vec<&[u8]> = states.iter().map(Vec::as_slice).collect();
    secrets.push(&WRITER.key);
    let before = traces(&world, &secrets);
    assert!(before.contains(&WRITER.id.to_string()), "{before:?}");
    assert!(before.iter().any(|name| name.starts_with("server.db")));
    // An upload that broke off is a copy too.
    let upload = routes::key_upload(&WRITER.id, "insecure-precise");
    let half = WRITER.key[..WRITER.key.len() / 2].to_vec();
    let request = axum::http::Request::put(upload)
        .header("upload-length", WRITER.key.len())
        .body(half.into());
    let partial = world.request(request.expect("valid")).await;
    assert_eq!(partial.status, StatusCode::ACCEPTED);

    assert_eq!(delete(&world, &routes::key(&WRITER.id)).await, 204);

    assert_eq!(traces(&world, &secrets), Vec::<String>::new());
    let problem = append(&world, &id, 3, &[1]).await.problem();
    assert_eq!(problem.kind, ProblemKind::UnknownSession);
    assert_eq!(delete(&world, &routes::key(&WRITER.id)).await, 404);
    world.check_works().await; // the other key
    assert_eq!(traces(&world, &[&CLIENT.key]), [CLIENT.id.to_string()]);
}

#[tokio::test]
async fn nothing_is_left_of_a_closed_session_after_a_sweep() {
    let world = world(|_| ()).await;
    let id = open(&world).await.id;
    append(&world, &id, 0, &[0, 1]).await;
    let (state, last) = state(&world, &id);
    assert!(!traces(&world, &[&state, &last]).is_empty());
    close(&world, &id).await;
    world.server.sweep().expect("writable");
    assert!(traces(&world, &[&state, &last]).is_empty());
}

#[tokio::test]
async fn a_damaged_copy_goes_too() {
    let world = World::new();
    world.register().await;
    let mut damaged = CLIENT.key.clone();
    damaged[100] ^= 1;
    fs::write(world.key_file(), &damaged).expect("written");
    assert_eq!(world.evaluate().await.status, 404);
    assert!(world.key_file().with_extension("damaged").exists());
    world.register().await;
    assert_eq!(delete(&world, &routes::key(&CLIENT.id)).await, 204);
    assert!(traces(&world, &[&CLIENT.key]).is_empty());
}

#[tokio::test]
async fn an_evaluation_that_runs_is_answered_and_keeps_nothing() {
    let world = World::new();
    world.register().await;
    world.check_works().await; // the key is in memory now
    let key = routes::key(&CLIENT.id);
    let (answer, deleted) = join(world.evaluate(), delete(&world, &key)).await;
    assert_eq!(deleted, StatusCode::NO_CONTENT);
    match answer.status {
        StatusCode::OK => CLIENT.check(&answer.body),
        _ => assert_eq!(answer.problem().kind, ProblemKind::UnknownKey),
    }
    let problem = world.evaluate().await.problem();
    assert_eq!(problem.kind, ProblemKind::UnknownKey);
    assert!(traces(&world, &[&CLIENT.key]).is_empty());
}

#[tokio::test]
async fn tokens_under_way_are_not_kept_after_their_key_was_deleted() {
    let world = world(|_| ()).await;
    let id = open(&world).await.id;
    let key = routes::key(&WRITER.id);
    let (_, deleted) = join(append(&world, &id, 0, &[0, 1, 2, 3]), delete(&world, &key)).await;
    assert_eq!(deleted, StatusCode::NO_CONTENT);
    let sessions: i64 = world
        .database()
        .query_row("SELECT COUNT(*) FROM sessions", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(sessions, 0);
}
