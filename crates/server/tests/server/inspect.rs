//! `inspect`: what a server has is shown, and what it should not have is found.

use std::fs;
use std::path::Path;

use axum::http::StatusCode;
use cipherformer_circuit::parameters::INSECURE_TOY;
#[expect(clippy::disallowed_types, reason = "these tests play the client too")]
use cipherformer_fhe::SecretKey;
use cipherformer_server::inspect::{Inspect, Inspection};

use crate::world::{CLIENT, World, flipped};

fn inspect(world: &World) -> Inspection {
    let inspect = Inspect {
        data_dir: world.config.data_dir.clone(),
        circuits: Some(world.config.circuits.clone()),
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

#[test]
fn folders_that_are_not_there_are_told() {
    let inspect = |data: &str, circuits: Option<&str>| Inspect {
        data_dir: data.into(),
        circuits: circuits.map(Into::into),
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
