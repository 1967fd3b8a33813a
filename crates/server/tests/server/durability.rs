//! What a server has acknowledged is there after a restart; what is damaged is noticed, and can be sent again.

use std::fs;

use axum::http::{Method, StatusCode};
use cipherformer_protocol::{ProblemKind, SessionId, headers, routes};
use cipherformer_server::{Damage, Server, StartError};

use crate::names;
use crate::texts::{WRITER, append, check_distinct, close, open, register, show, world};
use crate::world::{CLIENT, World, names};

/// A session of two tokens, and the answer to the second.
async fn session(world: &World) -> (SessionId, Vec<u8>) {
    let id = open(world).await.id;
    append(world, &id, 0, &[0]).await;
    let answer = append(world, &id, 1, &[3]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    (id, answer.body.to_vec())
}

async fn check_unknown(world: &World, id: &SessionId) {
    let problem = append(world, id, 2, &[1]).await.problem();
    assert_eq!(problem.kind, ProblemKind::UnknownSession);
    let problem = world.get(&routes::session(id, &WRITER.id)).await.problem();
    assert_eq!(problem.kind, ProblemKind::UnknownSession);
}

#[tokio::test]
async fn a_text_goes_on_after_a_restart() {
    let world = world(|_| ()).await;
    let (id, last) = session(&world).await;
    let fresh = open(&world).await.id;
    let world = world.restart();
    let info = show(&world, &id).await;
    assert_eq!((info.position, info.busy), (2, false));
    assert!(info.expires_in_seconds > 590);
    let again = world.get(&routes::logits(&id, &WRITER.id)).await;
    assert_eq!(again.body, last, "the last answer can still be had");
    assert_eq!(again.header(headers::POSITION), "2");
    let more = append(&world, &id, 2, &[4]).await;
    assert_eq!(more.status, StatusCode::OK, "{more:?}");
    check_distinct(&[0, 3, 4], &[4]);
    WRITER.check(&more.body, &[0, 3, 4]);
    assert_eq!(append(&world, &fresh, 0, &[2]).await.status, StatusCode::OK);
    close(&world, &id).await;
    check_unknown(&world.restart(), &id).await;
}

/// What is on disk after each answer is all that a server finds after a crash.
#[tokio::test]
async fn a_crash_after_an_answer_loses_nothing() {
    let world = world(|_| ()).await;
    let id = open(&world).await.id;
    let tokens = [0, 3, 4];
    for position in 0..tokens.len() {
        let answer = append(&world, &id, position, &tokens[position..=position]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let crashed = world.copy();
        assert_eq!(show(&crashed, &id).await.position, position + 1);
        let again = crashed.get(&routes::logits(&id, &WRITER.id)).await;
        assert_eq!(again.body, answer.body);
        let more = append(&crashed, &id, position + 1, &[2]).await;
        let text = [&tokens[..=position], &[2]].concat();
        WRITER.check(&more.body, &text);
    }
}

#[tokio::test]
async fn a_session_that_expired_meanwhile_is_gone() {
    let world = world(|_| ()).await;
    let (id, _) = session(&world).await;
    let world = world.restart_after(|config| {
        let db = crate::world::database(config);
        let updated = db.execute("UPDATE sessions SET last_used = last_used - 700000", []);
        assert_eq!(updated.expect("one row"), 1);
    });
    check_unknown(&world, &id).await;
    world.server.sweep().expect("writable");
    assert_eq!(count(&world, "sessions"), 0);
}

#[tokio::test]
async fn a_damaged_session_is_removed_and_said_to_be_unknown() {
    let damages = [
        "position = 1",
        "digest = digest || 'x'",
        "last_used = last_used + 1",
        "last = NULL",
        "state = zeroblob(length(state))",
        "state = substr(state, 1, 100)",
        "checksum = x'00'",
        "circuit = 'test'",
    ];
    let mut world = world(|_| ()).await;
    for damage in damages {
        let (id, _) = session(&world).await;
        world = world.restart_after(|config| {
            let db = crate::world::database(config);
            let updated = db.execute(&format!("UPDATE sessions SET {damage}"), []);
            assert_eq!(updated.expect(damage), 1, "{damage}");
        });
        check_unknown(&world, &id).await;
        assert_eq!(world.server.damage().sessions, 1, "{damage}");
        assert_eq!(count(&world, "sessions"), 0, "{damage}");
    }
    session(&world).await;
}

#[tokio::test]
async fn a_session_of_a_circuit_that_changed_is_gone() {
    let world = world(|_| ()).await;
    let (id, _) = session(&world).await;
    let world = world.restart_after(|config| {
        let folder = config.circuits.join("names");
        fs::remove_dir_all(&folder).expect("removed");
        let changed = names::circuit_described("names", "changed");
        changed.save(&folder).expect("saved");
    });
    check_unknown(&world, &id).await;
    assert_eq!(world.server.damage(), Damage::default());
    assert_eq!(count(&world, "sessions"), 0);
}

#[tokio::test]
async fn files_without_a_row_and_rows_without_a_file_are_removed_at_start() {
    let world = World::new();
    world.register().await;
    let keys = world.config.data_dir.join("keys");
    let orphans = ["insecure-toy/aaaa", "standard-2048/bbbb"];
    let world = world.restart_after(|_| {
        for orphan in orphans {
            fs::write(keys.join(orphan), "left by a crash").expect("written");
        }
    });
    for orphan in orphans {
        assert!(!keys.join(orphan).exists(), "{orphan}");
    }
    world.check_works().await;
    let file = world.key_file();
    let world = world.restart_after(|_| fs::remove_file(file).expect("removed"));
    assert_eq!(world.get(&routes::key(&CLIENT.id)).await.status, 404);
    assert_eq!((count(&world, "keys"), world.server.damage().keys), (0, 1));
    assert_eq!(world.register().await.status, StatusCode::CREATED);
    world.check_works().await;
}

#[tokio::test]
async fn a_key_of_another_size_is_set_aside_at_start() {
    let world = World::new();
    world.register().await;
    let (file, half) = (world.key_file(), &CLIENT.key[..CLIENT.key.len() / 2]);
    let world = world.restart_after(|_| fs::write(file, half).expect("written"));
    let aside = format!("{}.damaged", CLIENT.id);
    let folder = world.config.data_dir.join("keys/insecure-toy");
    assert_eq!(names(folder), [aside]);
    assert_eq!((count(&world, "keys"), world.server.damage().keys), (0, 1));
}

#[tokio::test]
async fn a_damaged_database_is_set_aside_and_everybody_can_register_again() {
    type Damage = fn(Vec<u8>) -> Vec<u8>;
    let damages: [Damage; 4] = [
        |_| {
            b"no database, but as long as its header must be to be looked at: 100 bytes and a few more, just so".to_vec()
        },
        |bytes| bytes[..bytes.len() / 2].to_vec(),
        |mut bytes| {
            let end = bytes.len();
            bytes[8192..end].fill(0x5a);
            bytes
        },
        |mut bytes| {
            bytes[20] ^= 0x55;
            bytes
        },
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let world = world(|_| ()).await;
        let (id, _) = session(&world).await;
        let world = world.restart_after(|config| {
            let path = config.data_dir.join("server.db");
            let bytes = fs::read(&path).expect("there");
            fs::write(&path, damage(bytes)).expect("written");
        });
        assert_eq!(world.server.damage().databases, 1, "damage {number}");
        let files = names(world.config.data_dir.clone());
        assert!(
            files.contains(&"server.db.damaged-1".to_owned()),
            "{files:?}"
        );
        check_unknown(&world, &id).await;
        let problem = append(&world, &id, 0, &[0]).await.problem();
        assert_eq!(problem.kind, ProblemKind::UnknownSession);
        register(&world).await;
        session(&world).await;
        let world = world.restart();
        assert_eq!((count(&world, "keys"), count(&world, "sessions")), (1, 1));
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let world = World::new();
    let config = world.config.clone();
    world
        .database()
        .pragma_update(None, "user_version", 99)
        .expect("writable");
    let World {
        server,
        router,
        folder,
        ..
    } = world;
    drop((server, router));
    let error = Server::open(&config).expect_err("unknown version");
    assert!(
        matches!(error, StartError::NewerDatabase { version: 99, .. }),
        "{error}"
    );
    assert!(config.data_dir.join("server.db").exists());
    drop(folder);
}

#[tokio::test]
async fn a_deleted_key_stays_deleted() {
    let world = World::new();
    world.register().await;
    let deleted = world
        .send(Method::DELETE, &routes::key(&CLIENT.id), "")
        .await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let world = world.restart();
    assert_eq!(world.get(&routes::key(&CLIENT.id)).await.status, 404);
}

fn count(world: &World, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    let count = world.database().query_row(&sql, [], |row| row.get(0));
    count.expect("a count")
}
