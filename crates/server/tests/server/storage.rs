//! What is on disk, and what happens when the disk fails.

use std::fs;
use std::path::Path;

use axum::http::{Method, StatusCode};
use cipherformer_protocol::{ProblemKind, routes};
use cipherformer_server::{Config, Server, StartError};

use crate::world::{CLIENT, World, flipped, names};

#[tokio::test]
async fn keys_survive_a_restart() {
    let world = World::new();
    world.register().await;
    let world = world.restart();
    assert_eq!(world.get(&routes::key(&CLIENT.id)).await.status, 200);
    world.check_works().await;
}

#[tokio::test]
async fn interrupted_uploads_are_removed_at_start_and_never_seen() {
    let world = World::new();
    let incoming = world.config.data_dir.join("incoming");
    fs::write(incoming.join("key-half"), &CLIENT.key[..1000]).expect("written");
    let world = world.restart();
    assert!(names(incoming).is_empty());
    let answer = world.get(&routes::key(&CLIENT.id)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    world.register().await;
    world.check_works().await;
}

#[tokio::test]
async fn a_damaged_key_file_is_set_aside_and_replaced() {
    type Damage = fn(&[u8]) -> Vec<u8>;
    let damages: [Damage; 4] = [
        |key| flipped(key, key.len() / 2),
        |key| key[..key.len() - 1].to_vec(),
        |_| Vec::new(),
        |key| [key, &[0; 10_000]].concat(),
    ];
    for damage in damages {
        let world = World::new();
        world.register().await;
        fs::write(world.key_file(), damage(&CLIENT.key)).expect("written");
        let problem = world.evaluate().await.problem();
        assert_eq!(problem.kind, ProblemKind::UnknownKey);
        assert!(problem.detail.contains("register it again"));
        let aside = format!("{}.damaged", CLIENT.id);
        assert_eq!(
            names(world.config.data_dir.join("keys/insecure-toy")),
            [aside]
        );
        let again = world.evaluate().await.problem();
        assert_eq!(again.kind, ProblemKind::UnknownKey);
        assert_eq!(world.register().await.status, StatusCode::CREATED);
        world.check_works().await;
    }
}

#[tokio::test]
async fn registering_again_heals_a_damaged_file() {
    let world = World::new();
    world.register().await;
    fs::write(world.key_file(), "damaged").expect("written");
    assert_eq!(world.register().await.status, StatusCode::OK);
    world.check_works().await;
}

/// A folder replaced by a file fails for every user, root included, unlike one without write rights.
#[tokio::test]
async fn without_storage_known_keys_keep_serving() {
    let world = World::new();
    world.register().await;
    world.check_works().await;
    for folder in ["incoming", "keys"] {
        let folder = world.config.data_dir.join(folder);
        fs::remove_dir_all(&folder).expect("removed");
        fs::write(&folder, "").expect("written");
        let problem = world.register().await.problem();
        assert_eq!(problem.kind, ProblemKind::StorageUnavailable);
        assert!(problem.detail.contains("ask its operator"));
        world.check_works().await;
    }
    assert_eq!(world.get(&routes::key(&CLIENT.id)).await.status, 200);
}

#[tokio::test]
async fn stored_keys_serve_when_nothing_can_be_written() {
    let world = World::new();
    world.register().await;
    let world = world.restart_after(|config| {
        let data = &config.data_dir;
        fs::remove_file(data.join("lock")).expect("removed");
        fs::create_dir(data.join("lock")).expect("made"); // cannot be opened for writing
        fs::remove_dir(data.join("incoming")).expect("removed");
        fs::write(data.join("incoming"), "").expect("written");
    });
    world.check_works().await;
    let problem = world.register().await.problem();
    assert_eq!(problem.kind, ProblemKind::StorageUnavailable);
    let path = routes::key(&CLIENT.id);
    let problem = world.send(Method::DELETE, &path, "").await.problem();
    assert_eq!(problem.kind, ProblemKind::StorageUnavailable);
    world.check_works().await;
}

#[test]
fn two_servers_do_not_share_a_data_directory() {
    let world = World::new();
    let error = Server::open(&world.config).expect_err("the first one has it");
    assert!(matches!(error, StartError::DataDirInUse { .. }));
}

#[test]
fn a_data_directory_that_cannot_be_made_is_an_error() {
    let world = World::new();
    let file = world.config.data_dir.join("file");
    fs::write(&file, "").expect("written");
    for data in [file.clone(), file.join("below")] {
        let config = Config {
            data_dir: data,
            ..world.config.clone()
        };
        let error = Server::open(&config).expect_err("a file is in the way");
        assert!(matches!(error, StartError::DataDir { .. }));
        assert!(error.to_string().contains("--data-dir"));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_what_is_stored() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| {
        let file = fs::metadata(path).expect("it is there");
        file.permissions().mode() & 0o777
    };
    let world = World::new();
    world.register().await;
    let data = &world.config.data_dir;
    for folder in ["", "keys", "keys/insecure-toy", "incoming"] {
        assert_eq!(mode(&data.join(folder)), 0o700, "{folder}");
    }
    assert_eq!(mode(&world.key_file()), 0o600);
    for file in ["lock", "server.db", "server.db-wal"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
}
