//! `inspect`: what a server has is shown, and what it should not have is found.

use std::fs;
use std::path::{Path, PathBuf};

use axum::http::{Method, StatusCode};
use cipherformer_circuit::parameters::INSECURE_TOY;
#[expect(clippy::disallowed_types, reason = "these tests play the client too")]
use cipherformer_fhe::SecretKey;
use cipherformer_protocol::routes;
use cipherformer_server::TokenFile;
use cipherformer_server::inspect::{Inspect, Inspection};

use crate::texts;
use crate::world::{CLIENT, World, flipped, named};

fn inspect(world: &World) -> Inspection {
    let inspect = Inspect {
        data_dir: world.config.data_dir.clone(),
        circuits: Some(world.config.circuits.clone()),
        tokens: None,
        json: false,
    };
    inspect.run().expect("readable")
}

/// What is found once a file of this content is there.
fn found(world: &World, path: &str, content: &[u8]) -> Vec<String> {
    let path = world.config.data_dir.join(path);
    fs::write(&path, content).expect("ours");
    let inspection = inspect(world);
    fs::remove_file(&path).expect("just written");
    let findings = inspection.findings.into_iter();
    findings
        .map(|finding| format!("{}: {}", finding.file.display(), finding.what))
        .collect()
}

#[expect(clippy::disallowed_types, reason = "these tests play the client too")]
fn secret_key() -> Vec<u8> {
    SecretKey::generate(&INSECURE_TOY).to_bytes().to_vec()
}

#[tokio::test]
async fn everything_a_running_server_has_is_listed_and_opens_nothing() {
    let world = World::new();
    assert_eq!(world.register().await.status, StatusCode::CREATED);
    let inspection = inspect(&world);
    assert!(inspection.opens_nothing(), "{:?}", inspection.findings);
    let paths: Vec<&Path> = inspection
        .files
        .iter()
        .map(|file| file.path.as_path())
        .collect();
    let key = Path::new("keys/insecure-toy").join(CLIENT.id.to_string());
    assert!(
        paths.contains(&Path::new("lock")) && paths.contains(&key.as_path()),
        "{paths:?}"
    );
    for file in &inspection.files {
        assert!(!file.what.starts_with("unknown"), "{file:?}");
    }

    assert_eq!(inspection.keys.len(), 1);
    let key = &inspection.keys[0];
    assert_eq!((&key.id, key.bytes), (&CLIENT.id, CLIENT.key.len() as u64));
    let bodies: u64 = key.parts.iter().map(|part| part.bytes).sum();
    assert_eq!(bodies, INSECURE_TOY.evaluation_key_bytes() as u64);
    assert_eq!(
        bodies + key.other_bytes,
        key.bytes,
        "every byte is accounted for"
    );
    assert!(key.parts.iter().all(|part| part.uniformity.looks_random()));

    let circuit = &inspection.circuits[0];
    assert_eq!((circuit.name.as_str(), &circuit.problem), ("test", &None));
    let public = circuit.files.iter().filter(|file| file.public);
    let public: Vec<&str> = public.map(|file| file.name.as_str()).collect();
    assert_eq!(public, ["manifest.json", "vocabulary.txt"]);

    let text = inspection.to_string();
    for expected in [
        "bootstrapping key",
        "which is not here",
        "opens a ciphertext",
        "private",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let json: serde_json::Value = serde_json::from_str(&inspection.to_json()).expect("JSON");
    assert_eq!(json["keys"][0]["id"], CLIENT.id.to_string());
    world.check_works().await;
}

#[tokio::test]
async fn a_secret_key_is_found_wherever_it_lies() {
    let world = World::new();
    world.register().await;
    let key = secret_key();
    let plain = found(&world, "keys/notes.txt", &key);
    assert!(
        plain
            .iter()
            .any(|what| what == "keys/notes.txt: it is a secret key"),
        "{plain:?}"
    );
    // Without its name, behind something else, or under a passphrase.
    let bits = found(&world, "incoming/upload", &key[100..]);
    assert!(bits.len() == 1 && bits[0].contains("0 or 1"), "{bits:?}");
    let hidden = [&vec![7; 2_000_000][..], &key[..100]].concat();
    let hidden = found(&world, "lock.old", &hidden);
    assert!(
        hidden.len() == 1 && hidden[0].contains("cipherformer::SecretKey"),
        "{hidden:?}"
    );
    let sealed = found(&world, "key.age", b"age-encryption.org/v1\n-> scrypt");
    assert!(
        sealed.len() == 1 && sealed[0].contains("passphrase"),
        "{sealed:?}"
    );
    assert!(inspect(&world).opens_nothing(), "all of it is gone");
}

#[tokio::test]
async fn what_is_no_evaluation_key_is_told() {
    let world = World::new();
    world.register().await;
    let file = world.key_file();
    let name = CLIENT.id.to_string();
    let damaged = found(
        &world,
        &format!("keys/insecure-toy/{name}"),
        &flipped(&CLIENT.key, 5000),
    );
    assert!(
        damaged[0].contains("its SHA-256 is not its name"),
        "{damaged:?}"
    );
    assert!(!file.exists());
    for (path, reason) in [
        ("keys/insecure-toy/readme", "no key id"),
        ("keys/weak/readme", "no parameter set"),
    ] {
        fs::create_dir_all(world.config.data_dir.join("keys/weak")).expect("ours");
        let odd = found(&world, path, b"hello");
        assert!(odd.len() == 1 && odd[0].contains(reason), "{odd:?}");
    }
    let garbage = b"garbage".repeat(1000);
    let path = format!(
        "keys/insecure-toy/{}",
        cipherformer_protocol::KeyId::of(&garbage)
    );
    let odd = found(&world, &path, &garbage);
    assert!(
        odd.len() == 1 && odd[0].contains("no evaluation key"),
        "{odd:?}"
    );
    // One that was set aside is known to be damaged.
    let aside = found(
        &world,
        &format!("keys/insecure-toy/{name}.damaged"),
        b"hello",
    );
    assert!(aside.is_empty(), "{aside:?}");
}

#[tokio::test]
async fn sessions_and_owners_are_shown_and_nothing_is_written() {
    let world = texts::world(|_| ()).await;
    let id = texts::open(&world).await.id;
    texts::append(&world, &id, 0, &[1, 2]).await;
    let alice = named("alice");
    let path = routes::key_upload(&CLIENT.id, "insecure-toy");
    let answer = world.send_as(&alice, Method::PUT, &path, CLIENT.key.clone());
    assert_eq!(answer.await.status, StatusCode::CREATED);

    let inspection = inspect(&world);
    assert!(inspection.opens_nothing(), "{:?}", inspection.findings);
    let tables = &inspection.tables;
    let owners: Vec<&str> = tables
        .registrations
        .iter()
        .map(|key| key.owner.as_str())
        .collect();
    assert_eq!(owners, ["", "alice"]);
    let session = &tables.sessions[0];
    assert_eq!((session.circuit.as_str(), session.position), ("names", 2));
    assert_eq!(session.key, texts::WRITER.id.to_string());
    assert_eq!(
        session.state_type.as_deref(),
        Some("cipherformer::SessionState")
    );
    assert!(session.uniformity.bytes > 10_000 && session.uniformity.looks_random());
    // Whoever reads over the operator's shoulder must not be able to go on with it.
    let shown = [inspection.to_string(), inspection.to_json()].concat();
    assert!(shown.contains(&session.id) && !shown.contains(&String::from(id.clone())));

    // A server that is stopped leaves no log; reading makes none either.
    let config = world.config.clone();
    let mut before = Vec::new();
    let world = world.restart_after(|_| {
        before = listing(&config.data_dir);
        let inspection = Inspect {
            data_dir: config.data_dir.clone(),
            circuits: None,
            tokens: None,
            json: false,
        };
        let inspection = inspection.run().expect("readable");
        assert_eq!(inspection.tables.sessions.len(), 1);
        assert_eq!(listing(&config.data_dir), before);
    });

    // One that somebody tampered with.
    let tampered = "UPDATE sessions SET state = zeroblob(length(state))";
    assert_eq!(world.database().execute(tampered, []).expect("ours"), 1);
    let findings = inspect(&world).findings;
    assert!(
        findings.len() == 1 && findings[0].what.contains("not of the type"),
        "{findings:?}"
    );
    assert!(!before.is_empty());
}

/// Every file of the top folder, with its size.
fn listing(folder: &Path) -> Vec<(String, u64)> {
    let items = fs::read_dir(folder).expect("a folder");
    let mut all: Vec<_> = items
        .map(|item| {
            let item = item.expect("readable");
            let size = item.metadata().expect("readable").len();
            (item.file_name().to_string_lossy().into_owned(), size)
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_database_that_is_none_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("server.db"), b"garbage".repeat(1000)).expect("ours");
    let inspect = Inspect {
        data_dir: folder.path().to_owned(),
        circuits: None,
        tokens: None,
        json: false,
    };
    let findings = inspect.run().expect("readable").findings;
    assert!(
        findings.len() == 1 && findings[0].what.contains("cannot be read"),
        "{findings:?}"
    );
}

#[test]
fn hashes_of_tokens_are_shown_and_no_token() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = TokenFile::new(folder.path().join("tokens.toml"));
    let token = file.add("alice", None, None).expect("writable").to_string();
    let inspect = |tokens: PathBuf| Inspect {
        data_dir: folder.path().to_owned(),
        circuits: None,
        tokens: Some(tokens),
        json: false,
    };
    let inspection = inspect(folder.path().join("tokens.toml"))
        .run()
        .expect("readable");
    let shown = [inspection.to_string(), inspection.to_json()].concat();
    assert!(
        shown.contains("token of alice") && !shown.contains(&token),
        "{shown}"
    );
    let missing = inspect(folder.path().join("missing.toml"))
        .run()
        .expect_err("missing");
    assert!(missing.to_string().contains("missing.toml"), "{missing}");
}

#[test]
fn folders_that_are_not_there_are_told() {
    let inspect = |data: &str, circuits: Option<&str>| Inspect {
        data_dir: data.into(),
        circuits: circuits.map(Into::into),
        tokens: None,
        json: false,
    };
    let error = inspect("/no/such/folder", None)
        .run()
        .expect_err("missing")
        .to_string();
    assert!(
        error.contains("--data-dir") && error.contains("/no/such/folder"),
        "{error}"
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().to_str().expect("UTF-8");
    let error = inspect(data, Some("/no/such/folder"))
        .run()
        .expect_err("missing")
        .to_string();
    assert!(error.contains("--circuits"), "{error}");
}
