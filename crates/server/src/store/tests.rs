//! The store by itself, with keys that are none: who goes when there is no room, or when time has passed.

use std::fs;
use std::path::PathBuf;

use cipherformer_circuit::parameters::STANDARD_2048;
use tempfile::TempDir;

use super::*;
use crate::owner::{Owner, Registration};

const DAY: i64 = 24 * 60 * 60 * 1000;
const KEY: u64 = 100_000;

struct Fixture {
    folder: TempDir,
    store: Arc<Store>,
}

impl Fixture {
    /// Room for so many keys beside the database and a little more.
    fn new(keys: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let limits = Limits {
            disk: keys * KEY + KEY * 9 / 10,
            key_age: Duration::from_secs(90 * 24 * 60 * 60),
            keys_per_owner: 2,
        };
        let store = Store::open(folder.path(), vec![&STANDARD_2048], limits).expect("opens");
        Self { folder, store }
    }

    fn register(&self, key: &Registration) -> Result<bool, ServerError> {
        let bytes = vec![7; KEY as usize];
        self.store
            .register(key, &STANDARD_2048, KEY, |to| fs::write(to, bytes))
    }

    /// Room for another key, as its upload makes it.
    fn make_room(&self) -> Result<(), ServerError> {
        self.store.make_room(KEY, &self.store.changes())
    }

    fn has(&self, key: &Registration) -> bool {
        let stored = self.store.find(key).expect("readable").is_some();
        assert_eq!(stored, self.file(key).exists(), "row and file agree");
        stored
    }

    fn file(&self, key: &Registration) -> PathBuf {
        let folder = self.folder.path().join("keys/standard-2048");
        folder.join(key.id.to_string())
    }
}

fn key(name: u8) -> Registration {
    Owner::default().of(KeyId::of(&[name]))
}

fn key_of(owner: &str, name: u8) -> Registration {
    let owner = Owner {
        name: Some(owner.to_owned()),
        evaluations_per_day: None,
    };
    owner.of(KeyId::of(&[name]))
}

/// Times differ by a second, whatever the clock says.
fn touch(store: &Store, keys: &[&Registration]) {
    for (second, key) in keys.iter().enumerate() {
        store.touch(key, Time(Time::now().0 + 1000 * second as i64));
    }
}

#[test]
fn keys_used_least_recently_make_room() {
    let fixture = Fixture::new(3);
    let [a, b, c] = [1, 2, 3].map(key);
    for key in [&a, &b, &c] {
        assert!(fixture.register(key).expect("room"));
    }
    touch(&fixture.store, &[&a, &b, &c, &a]);
    fixture.make_room().expect("b goes");
    assert!(fixture.has(&a) && !fixture.has(&b) && fixture.has(&c));
    fixture.make_room().expect("there is room already");
    assert!(fixture.has(&a) && fixture.has(&c));
    fixture.register(&b).expect("room");
    touch(&fixture.store, &[&b, &a, &c, &b]);
    fixture.make_room().expect("a goes");
    assert!(!fixture.has(&a) && fixture.has(&b) && fixture.has(&c));
}

#[test]
fn keys_in_use_stay_and_what_does_not_fit_is_refused() {
    let fixture = Fixture::new(2);
    let [a, b] = [1, 2].map(key);
    fixture.register(&a).expect("room");
    fixture.register(&b).expect("room");
    touch(&fixture.store, &[&a, &b]);
    let holds = [fixture.store.hold(&a.id), fixture.store.hold(&b.id)];
    let full = fixture.make_room();
    assert!(matches!(full, Err(ServerError::StorageFull)), "{full:?}");
    assert!(fixture.has(&a) && fixture.has(&b));
    drop(holds);
    let hold = fixture.store.hold(&a.id);
    fixture
        .make_room()
        .expect("b goes, though it was used later");
    assert!(fixture.has(&a) && !fixture.has(&b));
    drop(hold);
    let too_much = fixture.store.check_size(4 * KEY);
    assert!(matches!(too_much, Err(ServerError::StorageFull)));
}

#[test]
fn a_quota_that_was_lowered_is_kept_after_a_sweep() {
    let fixture = Fixture::new(9);
    let keys = [1, 2, 3].map(key);
    for key in &keys {
        fixture.register(key).expect("room");
    }
    touch(&fixture.store, &[&keys[2], &keys[0], &keys[1]]);
    let Fixture { folder, store } = fixture;
    let limits = Limits {
        disk: 2 * KEY + KEY * 9 / 10,
        ..store.limits
    };
    store.sweep(Time(Time::now().0 + 10_000)).expect("writable");
    drop(store); // frees the directory
    let store = Store::open(folder.path(), vec![&STANDARD_2048], limits).expect("opens");
    let fixture = Fixture { folder, store };
    fixture.store.sweep(Time::now()).expect("writable");
    let there = keys.each_ref().map(|key| fixture.has(key));
    assert_eq!(
        there,
        [true, true, false],
        "the last uses were written down"
    );
}

#[test]
fn a_row_that_names_no_key_is_removed_at_start() {
    let fixture = Fixture::new(9);
    fixture.register(&key(1)).expect("room");
    let Fixture { folder, store } = fixture;
    let limits = store.limits;
    let bad = store.database.write(|db| {
        db.execute(
            "INSERT INTO keys VALUES ('', '../../lock', 'standard-2048', 0, 0, 0)",
            [],
        )?;
        db.execute(
            "INSERT INTO keys VALUES ('', ?, '../..', 0, 0, 0)",
            [key(2).id.to_string()],
        )?;
        Ok(())
    });
    bad.expect("writable");
    drop(store);
    let store = Store::open(folder.path(), vec![&STANDARD_2048], limits).expect("opens");
    assert_eq!(store.damage().keys, 2);
    let fixture = Fixture { folder, store };
    assert!(fixture.has(&key(1)) && fixture.folder.path().join("lock").exists());
}

#[test]
fn what_was_set_aside_goes_before_any_key() {
    let fixture = Fixture::new(2);
    let a = key(1);
    fixture.register(&a).expect("room");
    let aside = fixture.file(&key(2)).with_extension("damaged");
    fs::write(&aside, vec![1; KEY as usize]).expect("written");
    fixture.make_room().expect("what is damaged goes");
    assert!(fixture.has(&a) && !aside.exists());
}

#[test]
fn keys_that_nobody_uses_are_dropped_after_some_time() {
    let fixture = Fixture::new(9);
    let [old, used, held] = [1, 2, 3].map(key);
    for key in [&old, &used, &held] {
        fixture.register(key).expect("room");
    }
    let now = Time::now();
    let later = |days: i64| Time(now.0 + days * DAY);
    fixture.store.touch(&used, later(50));
    let hold = fixture.store.hold(&held.id);
    fixture.store.sweep(later(89)).expect("writable");
    assert!(fixture.has(&old));
    fixture.store.sweep(later(91)).expect("writable");
    assert!(!fixture.has(&old) && fixture.has(&used) && fixture.has(&held));
    drop(hold);
    fixture.store.sweep(later(141)).expect("writable");
    assert!(!fixture.has(&used) && !fixture.has(&held));
}

#[test]
fn one_file_serves_all_owners_and_goes_with_the_last() {
    let fixture = Fixture::new(9);
    let (alice, bob) = (key_of("alice", 1), key_of("bob", 1));
    assert!(fixture.register(&alice).expect("room"));
    assert!(fixture.register(&bob).expect("room"));
    assert!(!fixture.register(&bob).expect("room"), "known already");
    assert!(fixture.store.delete_key(&alice).expect("writable"));
    assert!(!fixture.store.delete_key(&alice).expect("writable"));
    assert!(fixture.file(&bob).exists() && fixture.has(&bob));
    assert!(fixture.store.find(&alice).expect("readable").is_none());
    assert!(fixture.store.delete_key(&bob).expect("writable"));
    assert!(!fixture.has(&bob));
}

#[test]
fn owners_with_a_name_have_so_many_keys() {
    let fixture = Fixture::new(9);
    for name in [1, 2, 1] {
        fixture.register(&key_of("alice", name)).expect("room");
    }
    let more = fixture.register(&key_of("alice", 3));
    assert!(
        matches!(more, Err(ServerError::TooManyKeys { limit: 2 })),
        "{more:?}"
    );
    for name in 1..6 {
        fixture.register(&key(name)).expect("room");
    }
    fixture
        .store
        .delete_key(&key_of("alice", 1))
        .expect("there");
    fixture.register(&key_of("alice", 3)).expect("room again");
}

#[test]
fn a_row_that_cannot_be_written_leaves_no_file() {
    let fixture = Fixture::new(9);
    let other = rusqlite::Connection::open(fixture.folder.path().join("server.db"));
    let other = other.expect("a database");
    other.execute_batch("DROP TABLE keys").expect("writable");
    let failed = fixture.register(&key(1));
    assert!(matches!(failed, Err(ServerError::StorageUnavailable)));
    let failed = fixture.store.database.write(|db| {
        db.execute("DELETE FROM sessions", [])?;
        db.execute("DELETE FROM keys", [])?;
        Ok(())
    });
    assert!(failed.is_err(), "and what came before is taken back");
}

#[tokio::test]
async fn an_upload_that_is_given_up_is_removed_after_an_hour() {
    let fixture = Fixture::new(9);
    let store = &fixture.store;
    let mut upload = store
        .begin_upload(key(1), &STANDARD_2048, Some(KEY))
        .expect("room");
    upload.write(&[1; 1000]).await.expect("written");
    assert_eq!(
        (upload.arrived(), upload.missing()),
        (1000, Some(KEY - 1000))
    );
    upload.suspend().await;
    let offset = |store: &Store| store.upload_offset(&key(1), &STANDARD_2048);
    assert_eq!(
        (offset(store).expect("kept"), store.uploads.bytes()),
        (1000, 1000)
    );
    store
        .sweep(Time(Time::now().0 + 50 * 60_000))
        .expect("writable");
    assert_eq!(offset(store).expect("kept"), 1000);
    store
        .sweep(Time(Time::now().0 + 61 * 60_000))
        .expect("writable");
    assert!(matches!(offset(store), Err(ServerError::UnknownUpload)));
    assert_eq!(store.uploads.bytes(), 0);
    let incoming = fixture.folder.path().join("incoming");
    assert_eq!(fs::read_dir(incoming).expect("a folder").count(), 0);
}

#[test]
fn usage_is_of_today_and_no_other_day() {
    let fixture = Fixture::new(1);
    let store = &fixture.store;
    store.add_usage("alice", 5, 3).expect("writable");
    store.add_usage("alice", 5, 4).expect("writable");
    store.add_usage("bob", 5, 1).expect("writable");
    let used = |owner, day| store.used_on(owner, day).expect("readable");
    assert_eq!(
        (used("alice", 5), used("bob", 5), used("alice", 6)),
        (7, 1, 0)
    );
    store.add_usage("alice", 6, 2).expect("writable");
    assert_eq!((used("alice", 5), used("alice", 6)), (0, 2));
    store.forget_usage(Time(6 * DAY)).expect("writable");
    assert_eq!((used("alice", 6), used("bob", 5)), (2, 0));
}
