use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::error::TokenError;

/// A place for a file of tokens.
fn place() -> (TempDir, PathBuf, TokenFile) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tokens.toml");
    let file = TokenFile::new(&path);
    (folder, path, file)
}

fn open(path: &PathBuf) -> LiveTokens {
    LiveTokens::open(path).expect("a good file").without_delay()
}

#[test]
fn a_token_is_256_random_bits_and_only_its_hash_is_kept() {
    let (_folder, path, file) = place();
    let token = file.add("alice", Some(1000), None).expect("added");
    let other = file.add("bob", None, None).expect("added");
    assert_ne!(token, other);
    let bits = token.strip_prefix("cft_").expect("the prefix");
    let bits = BASE64_URL_SAFE_NO_PAD.decode(bits).expect("base64url");
    assert_eq!(bits.len(), 32);
    let text = fs::read_to_string(&path).expect("written");
    assert!(!text.contains(&token) && !text.contains(&token[4..]));
    assert!(text.contains(&cipherformer_circuit::hex(&hash(&token))));
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn tokens_open_until_revoked() {
    let (_folder, path, file) = place();
    let alice = file.add("alice", Some(3), None).expect("added");
    let live = open(&path);
    let owner = live.owner(&alice).expect("hers");
    assert_eq!(owner.name.as_deref(), Some("alice"));
    assert_eq!(owner.evaluations_per_day, Some(3));
    let bob = file.add("bob", None, None).expect("added while it runs");
    assert_eq!(live.owner(&bob).expect("his").evaluations_per_day, None);
    file.revoke("alice").expect("there");
    assert_eq!(live.owner(&alice), Err(Unwelcome::Unknown));
    assert!(live.owner(&bob).is_ok());
    for wrong in ["", "cft_", &bob[4..], &bob[..bob.len() - 1], "alice"] {
        assert_eq!(live.owner(wrong), Err(Unwelcome::Unknown), "{wrong}");
    }
}

#[test]
fn tokens_end_when_they_expire() {
    let (_folder, path, file) = place();
    let past = Timestamp::from_second(1_000_000_000).expect("2001");
    let future = Timestamp::from_second(10_000_000_000).expect("2286");
    let old = file.add("old", None, Some(past)).expect("added");
    let new = file.add("new", None, Some(future)).expect("added");
    let live = open(&path);
    assert_eq!(live.owner(&old), Err(Unwelcome::Expired(past)));
    assert!(live.owner(&new).is_ok());
    let [old, new] = &file.list().expect("a good file")[..] else {
        panic!("two tokens");
    };
    assert!(old.expired(past) && new.expired(future) && !new.expired(past));
}

#[test]
fn a_file_that_becomes_unusable_locks_nobody_out() {
    let (_folder, path, file) = place();
    let alice = file.add("alice", None, None).expect("added");
    let good = fs::read_to_string(&path).expect("written");
    let live = open(&path);
    for damage in ["", "[[token]]\nname = 3", &good[..good.len() - 20]] {
        fs::write(&path, damage).expect("ours");
        let empty = damage.is_empty(); // says that there are no tokens, and says it well
        assert_eq!(live.owner(&alice).is_err(), empty, "{damage:?}");
        fs::write(&path, &good).expect("ours");
        assert!(live.owner(&alice).is_ok(), "after {damage:?}");
    }
    fs::remove_file(&path).expect("ours");
    assert!(live.owner(&alice).is_ok(), "a lost file too");
    fs::write(&path, &good).expect("ours"); // readable by others
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("ours");
    file.add("bob", None, None).expect_err("exposed");
    assert!(live.owner(&alice).is_ok());
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("ours");
    file.revoke("alice").expect("there");
    assert!(live.owner(&alice).is_err());
}

#[test]
fn files_that_others_can_use_are_refused() {
    let (_folder, path, file) = place();
    assert!(matches!(
        LiveTokens::open(&path),
        Err(TokenError::Missing { .. })
    ));
    file.add("alice", None, None).expect("added");
    for mode in [0o640, 0o604, 0o620, 0o602, 0o666] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
        let error = LiveTokens::open(&path).expect_err("others can use it");
        let error = error.to_string();
        assert!(
            error.contains("chmod 600") && error.contains(&format!("{mode:o}")),
            "{error}"
        );
    }
}

#[test]
fn names_are_unique_and_plain() {
    let (_folder, _, file) = place();
    file.add("alice", None, None).expect("added");
    let taken = file.add("alice", None, None).expect_err("taken");
    assert!(matches!(taken, TokenError::NameTaken { .. }));
    let long = "x".repeat(65);
    for name in ["", "a b", "a/b", "a\n", "ä", "a\"", &long] {
        let error = file.add(name, None, None).expect_err(name);
        assert!(
            matches!(error, TokenError::Name { .. }),
            "{name:?}: {error}"
        );
    }
    let unknown = file.revoke("bob").expect_err("never added").to_string();
    assert!(unknown.contains("there are: alice"), "{unknown}");
    assert_eq!(file.list().expect("as before").len(), 1);
}

#[test]
fn damage_is_found_by_its_line() {
    let (_folder, path, file) = place();
    file.add("alice", None, None).expect("added");
    let good = fs::read_to_string(&path).expect("written");
    let twice = good.clone() + &good[good.find("[[token]]").expect("one")..];
    for (from, to, reason) in [
        ("name = ", "nome = ", "unknown field `nome`"),
        ("alice", "a b", "1 to 64 letters"),
        ("sha256 = \"", "sha256 = \"0", "64 hexadecimal"),
        ("sha256 = \"", "sha256 = \"\u{e4}", "64 hexadecimal"),
        ("Z\"", "\"", "timestamp"),
        ("[[token]]", "[[tokens]]", "unknown field `tokens`"),
        ("name", "evaluations_per_day = -1\nname", "-1"),
        (&good[..], &twice[..], "two tokens alice"),
    ] {
        fs::write(&path, good.replace(from, to)).expect("ours");
        let error = file.list().expect_err(reason).to_string();
        assert!(
            error.contains(reason) && error.contains(", line "),
            "{reason}: {error}"
        );
    }
}

#[test]
fn programs_that_add_at_once_lose_nothing() {
    let (_folder, path, file) = place();
    thread::scope(|scope| {
        for i in 0..8 {
            let file = file.clone();
            scope.spawn(move || file.add(&format!("client-{i}"), None, None).expect("added"));
        }
    });
    assert_eq!(file.list().expect("a good file").len(), 8);
    let folder = path.parent().expect("a folder");
    assert_eq!(
        fs::read_dir(folder).expect("ours").count(),
        2,
        "the file and its lock"
    );
}

#[test]
fn a_running_server_sees_a_change_within_two_seconds() {
    let (_folder, path, file) = place();
    let alice = file.add("alice", None, None).expect("added");
    let live = LiveTokens::open(&path).expect("a good file");
    file.revoke("alice").expect("there");
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(live.owner(&alice), Err(Unwelcome::Unknown));
}

proptest! {
    #[test]
    fn any_file_is_read_without_panic(text in "(\\[\\[token\\]\\]\n)?(name|sha256|created) = .{0,80}\n?.*") {
        let (_folder, path, file) = place();
        fs::write(&path, text).expect("ours");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("ours");
        let _ = file.list();
    }
}
