//! Damage, races and permissions of key files.

mod interrupted;
mod protected;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cipherformer_circuit::parameters::INSECURE_TOY;
use cipherformer_protocol::KeyId;
use tempfile::TempDir;

use super::pair::{EVALUATION, RECORD, SECRET};
use super::*;
use crate::error::ClientError;

fn home() -> (TempDir, KeyHome) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut home = KeyHome::new(folder.path().join("home")).allow_insecure();
    home.work_factor = 2; // users get WORK_FACTOR
    (folder, home)
}

fn made() -> (TempDir, KeyHome, Keys) {
    let (folder, home) = home();
    let keys = home.create(&INSECURE_TOY, &()).expect("an empty home");
    (folder, home, keys)
}

fn mode(path: &Path) -> u32 {
    let metadata = fs::metadata(path).expect("it exists");
    metadata.permissions().mode() & 0o777
}

#[test]
fn keys_are_read_back_as_made_and_only_by_their_owner() {
    let (_folder, home, keys) = made();
    let read = home.load(&INSECURE_TOY).expect("good").expect("there");
    assert_eq!(read.record(), keys.record());
    assert_eq!(read.evaluation(), keys.evaluation());
    assert_eq!(read.secret().to_bytes(), keys.secret().to_bytes());
    assert_eq!(mode(&keys.folder().join(SECRET)), 0o600);
    assert_eq!(mode(keys.folder()), 0o700);
    assert_eq!(mode(&home.folder), 0o700);
}

#[test]
fn keys_are_not_overwritten_and_come_back_different_after_deletion() {
    let (_folder, home, keys) = made();
    let again = home.create(&INSECURE_TOY, &()).err();
    assert!(matches!(again, Some(ClientError::KeysExist { .. })));
    assert_eq!(home.delete(&INSECURE_TOY).expect("there").len(), 3);
    assert!(!keys.folder().exists());
    let none = home.delete(&INSECURE_TOY).err();
    assert!(matches!(none, Some(ClientError::NoKeys { .. })));
    let new = home.load_or_create(&INSECURE_TOY, &()).expect("empty");
    assert_ne!(new.record().id, keys.record().id);
}

#[test]
fn damage_of_any_file_is_named_and_left_alone() {
    for name in [SECRET, EVALUATION, RECORD] {
        for cut in [false, true] {
            let (_folder, home, keys) = made();
            let path = keys.folder().join(name);
            let mut bytes = fs::read(&path).expect("just written");
            match cut {
                true => bytes.truncate(bytes.len() / 2),
                false => bytes[20] ^= 1,
            }
            fs::write(&path, &bytes).expect("ours");
            let error = home.load_or_create(&INSECURE_TOY, &()).err();
            let message = error.expect("it is damaged").to_string();
            assert!(message.contains(name), "{message}");
            let advice = "keys delete --parameter-set insecure-toy";
            assert!(message.contains(advice), "{message}");
            assert_eq!(fs::read(&path).expect("still there"), bytes);
            home.delete(&INSECURE_TOY).expect("damaged keys can go");
        }
    }
}

#[test]
fn a_missing_file_and_a_mixed_pair_are_noticed() {
    let (_folder, home, keys) = made();
    let (_other_folder, _, other) = made();
    let secret = keys.folder().join(SECRET);
    fs::copy(other.folder().join(SECRET), &secret).expect("ours");
    let mixed = home.load(&INSECURE_TOY).err();
    assert!(matches!(mixed, Some(ClientError::DamagedKey { path, .. }) if path == secret));
    fs::remove_file(&secret).expect("ours");
    let missing = home.load_or_create(&INSECURE_TOY, &()).err();
    assert!(matches!(missing, Some(ClientError::DamagedKey { path, .. }) if path == secret));
}

#[test]
fn a_secret_key_that_others_may_read_is_refused() {
    let (_folder, home, keys) = made();
    let secret = keys.folder().join(SECRET);
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).expect("ours");
        let message = home.load(&INSECURE_TOY).err().expect("exposed").to_string();
        assert!(message.contains("chmod 600"), "{message}");
    }
}

#[test]
fn many_creators_at_once_get_one_key() {
    let (_folder, home) = home();
    let ids: Vec<KeyId> = std::thread::scope(|scope| {
        let create = || {
            let keys = home.load_or_create(&INSECURE_TOY, &());
            keys.expect("one of us made it").record().id.clone()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|id| id.expect("no panic")).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[test]
fn what_an_interrupted_process_left_is_not_used_and_goes() {
    let (_folder, home) = home();
    let left = home.keys_folder().join(".unfinished-insecure-toy-abc");
    fs::create_dir_all(&left).expect("ours");
    fs::write(left.join(SECRET), b"half a key").expect("ours");
    assert!(home.load(&INSECURE_TOY).expect("readable").is_none());
    home.create(&INSECURE_TOY, &()).expect("nothing in the way");
    assert!(!left.exists());
}

#[test]
fn toys_are_refused_unless_asked_for() {
    let (_folder, mut home) = home();
    home.insecure_allowed = false;
    let refused = home.load_or_create(&INSECURE_TOY, &()).err();
    assert!(matches!(
        refused,
        Some(ClientError::InsecureParameters { .. })
    ));
}

#[test]
fn servers_that_may_have_a_key_are_remembered_until_they_have_not() {
    let (_folder, home) = home();
    let (one, two) = (KeyId::of(b"one"), KeyId::of(b"two"));
    assert!(home.noted("http://a").expect("nothing yet").is_empty());
    for (server, id) in [("http://a", &one), ("http://a", &two), ("http://b", &one)] {
        home.note(server, id).expect("writable");
        home.note(server, id).expect("again");
    }
    assert_eq!(home.noted("http://a").expect("readable").len(), 2);
    assert_eq!(mode(&home.folder.join("registrations.json")), 0o600);
    home.strike("http://a", &one).expect("writable");
    home.strike("http://a", &one).expect("nothing to do");
    assert!(home.noted("http://a").expect("readable").contains(&two));
    assert!(home.noted("http://b").expect("readable").contains(&one));
    fs::write(home.folder.join("registrations.json"), "[").expect("ours");
    let damaged = home.noted("http://a").expect_err("damaged").to_string();
    assert!(
        damaged.contains("registrations.json is damaged"),
        "{damaged}"
    );
}

#[test]
fn many_writers_of_the_list_lose_nothing() {
    let (_folder, home) = home();
    std::thread::scope(|scope| {
        for number in 0..16u8 {
            let home = &home;
            scope.spawn(move || {
                home.note("http://a", &KeyId::of(&[number]))
                    .expect("writable")
            });
        }
    });
    assert_eq!(home.noted("http://a").expect("readable").len(), 16);
}

#[test]
fn a_look_shows_files_and_no_secret() {
    let (_folder, home, keys) = made();
    home.note("http://a", &keys.record().id).expect("writable");
    let look = home.look().expect("readable");
    assert_eq!(look.keys.len(), 1);
    let pair = &look.keys[0];
    assert_eq!(pair.record.as_ref(), Some(keys.record()));
    assert_eq!(pair.files.len(), 3);
    let secret = pair.files.iter().find(|file| file.path.ends_with(SECRET));
    let secret = secret.expect("it is there");
    assert_eq!(secret.mode.as_deref(), Some("600"));
    assert_eq!(secret.bytes, keys.record().secret_key_bytes);
    assert_eq!(look.registrations["http://a"].len(), 1);
    let none = KeyHome::new("/no/such/home").look().expect("an empty home");
    assert!(none.keys.is_empty() && none.registrations.is_empty());
}
