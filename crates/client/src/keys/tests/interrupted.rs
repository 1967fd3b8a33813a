//! Processes that die between any two steps: there is a complete pair at every moment, and what is left over goes.

use std::sync::Arc;

use super::*;
use crate::keys::pair::SEALED;

/// Any passphrase.
struct Always;

impl Passphrases for Always {
    fn for_opening(&self, _: &Path) -> Result<Passphrase, ClientError> {
        Ok(Passphrase::new("always".to_owned())?)
    }

    fn for_protecting(&self, key: &Path) -> Result<Passphrase, ClientError> {
        self.for_opening(key)
    }
}

fn anybody(home: KeyHome) -> KeyHome {
    home.with_passphrases(Arc::new(Always))
}

/// What another process finds.
fn found(home: &KeyHome) -> Keys {
    let other = anybody(home.clone());
    let keys = other
        .load(&INSECURE_TOY)
        .expect("a complete pair")
        .expect("a pair");
    let checked = other.check(&INSECURE_TOY).expect("a complete pair");
    assert_eq!(checked.as_ref(), Some(keys.record()));
    keys
}

fn hidden_folders(home: &KeyHome) -> Vec<String> {
    let entries = fs::read_dir(home.keys_folder()).expect("a folder");
    let names = entries.map(|entry| entry.expect("readable").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('.')).collect()
}

/// The steps of [`Rotation::finish`], so many of them, in a process that dies then. Old and new id.
fn rotate_until(home: &KeyHome, steps: usize) -> (KeyId, KeyId) {
    let rotation = home.rotate(&INSECURE_TOY, &()).expect("a pair");
    let ids = (
        rotation.old().id.clone(),
        rotation.new_keys().record().id.clone(),
    );
    if steps > 0 {
        home.retire(&INSECURE_TOY).expect("writable");
    }
    if steps > 1 {
        home.succeed(&INSECURE_TOY).expect("writable");
    }
    if steps > 2 {
        // In the middle of destroying the old pair.
        fs::remove_file(home.retired(&INSECURE_TOY).file(RECORD)).expect("it is there");
    }
    drop(rotation); // and with it the lock
    ids
}

#[test]
fn a_rotation_that_dies_anywhere_leaves_the_old_pair_or_the_new_one() {
    for protected in [false, true] {
        for steps in 0..4 {
            let (_folder, home) = home();
            let home = anybody(home);
            let home = if protected {
                home.protect_new_keys()
            } else {
                home
            };
            home.create(&INSECURE_TOY, &()).expect("an empty home");
            let (old, new) = rotate_until(&home, steps);
            let expected = if steps == 0 { &old } else { &new };
            let keys = found(&home);
            assert_eq!(keys.record().id, *expected, "after {steps} steps");
            assert_eq!(keys.record().protected, protected);
            assert!(hidden_folders(&home).is_empty(), "what is left over goes");
            let rotation = home
                .rotate(&INSECURE_TOY, &())
                .expect("it can be done again");
            assert_eq!(rotation.old().id, *expected);
            let last = rotation.finish().expect("writable").record().id.clone();
            assert!(last != old && last != new);
            assert_eq!(found(&home).record().id, last);
            assert!(hidden_folders(&home).is_empty());
        }
    }
}

#[test]
fn whoever_makes_or_deletes_keys_settles_a_rotation_first() {
    for steps in 0..4 {
        let (_folder, home, _) = made();
        let (old, new) = rotate_until(&home, steps);
        let exist = home.create(&INSECURE_TOY, &()).err();
        assert!(matches!(exist, Some(ClientError::KeysExist { .. })));
        let kept = if steps == 0 { old } else { new };
        assert_eq!(found(&home).record().id, kept);

        let (_folder, home, _) = made();
        rotate_until(&home, steps);
        home.delete(&INSECURE_TOY).expect("there are keys");
        assert!(home.load(&INSECURE_TOY).expect("readable").is_none());
        assert!(hidden_folders(&home).is_empty(), "nothing comes back");
    }
}

/// While new keys are uploaded, others go on with the old ones and do not wait.
#[test]
fn a_rotation_under_way_keeps_nobody_from_reading() {
    let (_folder, home, old) = made();
    let rotation = home.rotate(&INSECURE_TOY, &()).expect("a pair");
    assert_eq!(found(&home).record(), old.record());
    let new = rotation.finish().expect("nothing was taken away");
    assert_eq!(found(&home).record(), new.record());
}

#[test]
fn readers_always_find_a_pair_while_others_rotate() {
    let (_folder, home, _) = made();
    std::thread::scope(|scope| {
        let rotating = scope.spawn(|| {
            for _ in 0..5 {
                let rotation = home.rotate(&INSECURE_TOY, &()).expect("a pair");
                rotation.finish().expect("writable");
            }
        });
        while !rotating.is_finished() {
            let keys = home.load(&INSECURE_TOY).expect("a whole pair");
            assert!(keys.is_some(), "there is always one");
        }
    });
}

/// After each step of protecting a key, and of unprotecting it.
#[test]
fn a_key_whose_protection_was_interrupted_is_whole_and_leaves_nothing_behind() {
    for (done, marked) in [(false, false), (true, false), (true, true)] {
        let (_folder, home, keys) = made();
        let home = anybody(home);
        let (pair, mut record) = (home.pair(&INSECURE_TOY), keys.record().clone());
        let plain = keys.secret().to_bytes();
        let passphrase = Always.for_opening(Path::new("")).expect("always");
        if done {
            home.seal_beside(&pair, &plain, &passphrase)
                .expect("writable");
        }
        if marked {
            record.protected = true;
            pair.replace_record(&record).expect("writable");
        }
        let read = found(&home);
        assert_eq!(read.secret().to_bytes(), plain);
        assert_eq!(read.record().protected, marked);
        assert_eq!(pair.file(SECRET).exists(), !marked, "the one that counts");
        assert_eq!(pair.file(SEALED).exists(), marked, "and no other");

        // The other way round.
        if !marked {
            home.protect(&INSECURE_TOY).expect("it can be done again");
        }
        files::replace(&pair.file(SECRET), &plain).expect("writable");
        assert!(found(&home).record().protected);
        assert!(
            !pair.file(SECRET).exists(),
            "a plain key must not lie about"
        );
        files::replace(&pair.file(SECRET), &plain).expect("writable");
        record.protected = false;
        pair.replace_record(&record).expect("writable");
        assert_eq!(found(&home).secret().to_bytes(), plain);
        assert!(!pair.file(SEALED).exists());
    }
}

/// The plain key is the last that there is: it stays.
#[test]
fn a_plain_key_is_not_removed_for_a_protected_one_that_does_not_open() {
    let (_folder, home, keys) = made();
    let home = anybody(home);
    let pair = home.pair(&INSECURE_TOY);
    let mut record = keys.record().clone();
    record.protected = true;
    pair.replace_record(&record).expect("writable");
    for sealed in [None, Some(&b"age-encryption.org/v1\nnonsense"[..])] {
        if let Some(sealed) = sealed {
            files::replace(&pair.file(SEALED), sealed).expect("writable");
        }
        let message = home.load(&INSECURE_TOY).err().expect("damaged").to_string();
        assert!(message.contains(SEALED), "{message}");
        let _ = home.check(&INSECURE_TOY);
        assert!(pair.file(SECRET).exists());
    }
}
