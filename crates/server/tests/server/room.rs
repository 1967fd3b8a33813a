//! Everything stored fits the quota; what was used least recently makes room.

use std::fs;
use std::path::Path;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use cipherformer_protocol::{ProblemKind, routes};

use crate::texts::WRITER;
use crate::world::{CLIENT, World, another_key};

/// What the database may grow by after room was made.
const SLACK: u64 = 128 << 10;

fn size(path: &Path) -> u64 {
    let items = fs::read_dir(path).expect("a folder").flatten();
    let sizes = items.map(|item| match item.path().is_dir() {
        true => size(&item.path()),
        // An index of the log, which takes no room when the server is off.
        false if item.path().ends_with("server.db-shm") => 0,
        false => item.metadata().expect("there").len(),
    });
    sizes.sum()
}

#[tokio::test]
async fn keys_make_room_for_others_in_the_order_of_their_last_use() {
    let world = World::with(|config| config.disk_mb = 3);
    world.register().await;
    let mut others = Vec::new();
    for number in 0..8 {
        let (key, id) = another_key();
        let path = routes::key_upload(&id, "insecure-toy");
        let answer = world.send(Method::PUT, &path, key).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{number}");
        others.push(id);
        world.check_works().await; // so this one stays
        assert!(size(&world.config.data_dir) <= (3 << 20) + SLACK);
    }
    let mut there = Vec::new();
    for id in &others {
        there.push(world.get(&routes::key(id)).await.status == 200);
    }
    assert!(there.is_sorted(), "the oldest are gone: {there:?}");
    assert!(!there[0] && there[7], "{there:?}");
    let world = world.restart();
    world.check_works().await;
}

#[tokio::test]
async fn what_cannot_fit_is_refused_and_nobody_has_to_go_for_it() {
    let world = World::with(|config| config.disk_mb = 1);
    world.register().await;
    assert!(WRITER.key.len() > 1 << 20);
    let path = routes::key_upload(&WRITER.id, "insecure-precise");
    let request = Request::put(path).header("content-length", WRITER.key.len());
    let request = request.body(Body::from(WRITER.key.clone()));
    let answer = world.request(request.expect("valid")).await;
    assert_eq!(answer.status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(answer.problem().kind, ProblemKind::StorageFull);
    assert_eq!(world.get(&routes::key(&CLIENT.id)).await.status, 200);
    world.check_works().await;
}
