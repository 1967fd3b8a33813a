//! What is public of circuits, and circuits that cannot be offered.

use std::fs;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use cipherformer_circuit::{Manifest, Vocabulary};
use cipherformer_protocol::{CircuitList, ProblemKind, routes};
use cipherformer_server::{Config, Server, StartError};

use crate::world::{World, circuit, flipped, manifest};

#[tokio::test]
async fn manifests_and_vocabularies_are_served() {
    let world = World::new();
    let list: CircuitList = world.get(routes::CIRCUITS).await.json();
    assert_eq!(list.circuits.len(), 1);
    assert_eq!(list.circuits[0].digest, manifest().digest);
    let served: Manifest = world.get(&routes::circuit("test")).await.json();
    assert_eq!(served, *manifest());
    let text = world.get(&routes::vocabulary("test")).await.body;
    let text = String::from_utf8(text.to_vec()).expect("text");
    let vocabulary = Vocabulary::from_text(&text, 64, 2).expect("a vocabulary");
    assert_eq!(vocabulary.sha256(), manifest().input.vocabulary_sha256);
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let world = World::new();
    for path in [routes::circuit("test"), routes::vocabulary("test")] {
        let tag = world.get(&path).await.header("etag").to_owned();
        let ask = |tag: String| Request::get(&path).header(header::IF_NONE_MATCH, tag);
        let same = ask(format!("\"old\", {tag}")).body(Body::empty());
        let same = world.request(same.expect("valid")).await;
        assert_eq!(same.status, StatusCode::NOT_MODIFIED);
        assert!(same.body.is_empty());
        let old = ask("\"old\"".to_owned()).body(Body::empty());
        assert_eq!(world.request(old.expect("valid")).await.status, 200);
    }
}

#[tokio::test]
async fn a_damaged_circuit_is_skipped_and_said_to_be() {
    let world = World::with(|config| {
        let damaged = config.circuits.join("damaged");
        circuit("damaged").save(&damaged).expect("saved");
        let weights = damaged.join("weights.safetensors");
        let bytes = fs::read(&weights).expect("readable");
        fs::write(&weights, flipped(&bytes, bytes.len() - 1)).expect("writable");
        circuit("one-name")
            .save(&config.circuits.join("another"))
            .expect("saved");
        fs::create_dir(config.circuits.join("no-circuit")).expect("made");
    });
    world.register().await;
    world.check_works().await;
    let list: CircuitList = world.get(routes::CIRCUITS).await.json();
    assert_eq!(list.circuits.len(), 1);
    for name in ["damaged", "another"] {
        for path in [routes::circuit(name), routes::vocabulary(name)] {
            let problem = world.get(&path).await.problem();
            assert_eq!(problem.kind, ProblemKind::CircuitUnavailable);
            assert!(problem.detail.contains("is damaged on the server"));
        }
    }
    let missing = world.get(&routes::circuit("no-circuit")).await.problem();
    assert_eq!(missing.kind, ProblemKind::UnknownCircuit);
    assert!(missing.detail.contains("this server offers test"));
}

#[test]
fn a_server_without_circuits_does_not_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (circuits, data) = (folder.path().join("circuits"), folder.path().join("data"));
    let start = || Server::open(&Config::loopback(&circuits, &data)).expect_err("no circuit");
    let missing = start();
    assert!(matches!(missing, StartError::CircuitsFolder { .. }));
    fs::create_dir(&circuits).expect("made");
    assert!(matches!(start(), StartError::NoCircuits { .. }));
    fs::create_dir(circuits.join("empty")).expect("made");
    fs::write(circuits.join("empty/manifest.json"), "{}").expect("written");
    let text = start().to_string();
    assert!(
        text.contains("is damaged") && text.contains("--circuits"),
        "{text}"
    );
}
