//! Secret keys under passphrases.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::keys::pair::SEALED;

/// Says what it is told to, and counts how often it was asked.
struct Told {
    passphrase: Mutex<&'static str>,
    asked: AtomicUsize,
}

impl Told {
    fn new(passphrase: &'static str) -> Arc<Self> {
        Arc::new(Self {
            passphrase: Mutex::new(passphrase),
            asked: AtomicUsize::new(0),
        })
    }

    fn say(&self, passphrase: &'static str) {
        *self.passphrase.lock().expect("no panic") = passphrase;
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::Relaxed)
    }

    fn answer(&self) -> Result<Passphrase, ClientError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let text = *self.passphrase.lock().expect("no panic");
        Ok(Passphrase::new(text.to_owned())?)
    }
}

impl Passphrases for Told {
    fn for_opening(&self, _: &Path) -> Result<Passphrase, ClientError> {
        self.answer()
    }

    fn for_protecting(&self, _: &Path) -> Result<Passphrase, ClientError> {
        self.answer()
    }
}

/// A home of a process that knows no passphrase yet.
fn fresh(home: &KeyHome, told: &Arc<Told>) -> KeyHome {
    home.clone().with_passphrases(Arc::<Told>::clone(told))
}

fn is_wrong<T>(outcome: Result<T, ClientError>) -> bool {
    matches!(
        outcome,
        Err(ClientError::Passphrase(PassphraseError::Wrong { .. }))
    )
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry.expect("readable")))
        .collect();
    names.sort();
    names
}

#[test]
fn a_key_made_under_a_passphrase_opens_with_it_alone() {
    let (_folder, home) = home();
    let told = Told::new("six words");
    let making = fresh(&home, &told).protect_new_keys();
    let keys = making.create(&INSECURE_TOY, &()).expect("an empty home");
    assert!(keys.record().protected);
    assert_eq!(names(keys.folder()), ["evaluation.key", "key.json", SEALED]);
    assert_eq!(mode(&keys.folder().join(SEALED)), 0o600);
    let plain = keys.secret().to_bytes();
    let sealed = fs::read(keys.folder().join(SEALED)).expect("written");
    let middle = &plain[plain.len() / 2..][..64];
    assert!(!sealed.windows(64).any(|window| window == middle));
    making.load(&INSECURE_TOY).expect("good").expect("there");
    assert_eq!(told.asked(), 1, "whoever chose it is not asked for it");

    let other = fresh(&home, &told);
    for _ in 0..3 {
        let read = other.load(&INSECURE_TOY).expect("good").expect("there");
        assert_eq!(read.secret().to_bytes(), plain);
    }
    assert_eq!(told.asked(), 1, "nobody is asked twice");
    let json = fs::read_to_string(keys.folder().join(RECORD)).expect("written");
    assert!(json.contains("\"protected\": true"), "{json}");
}

#[test]
fn a_wrong_passphrase_is_an_error_once_and_changes_nothing() {
    let (_folder, home) = home();
    let told = Told::new("right");
    let keys = fresh(&home, &told)
        .protect_new_keys()
        .create(&INSECURE_TOY, &());
    let folder = keys.expect("an empty home").folder().to_owned();
    let sealed = fs::read(folder.join(SEALED)).expect("written");
    told.say("wrong");
    told.asked();
    let other = fresh(&home, &told);
    assert!(is_wrong(other.load(&INSECURE_TOY)));
    assert_eq!(told.asked(), 1, "asking again is for the user to decide");
    assert!(is_wrong(other.unprotect(&INSECURE_TOY)));
    assert!(is_wrong(other.rotate(&INSECURE_TOY, &())));
    assert!(is_wrong(other.load_or_create(&INSECURE_TOY, &())));
    assert_eq!(fs::read(folder.join(SEALED)).expect("still there"), sealed);
    told.say("right");
    assert!(
        other
            .load(&INSECURE_TOY)
            .expect("a wrong one is not kept")
            .is_some()
    );
}

#[test]
fn what_is_not_secret_is_shown_without_asking() {
    let (_folder, home) = home();
    let told = Told::new("right");
    let keys = fresh(&home, &told)
        .protect_new_keys()
        .create(&INSECURE_TOY, &());
    let keys = keys.expect("an empty home");
    told.asked();
    let other = fresh(&home, &told);
    let record = other.check(&INSECURE_TOY).expect("good").expect("there");
    assert_eq!(record, *keys.record());
    assert_eq!(other.look().expect("readable").keys.len(), 1);
    other
        .delete(&INSECURE_TOY)
        .expect("whoever may write may delete");
    assert_eq!(told.asked(), 0);
    assert!(!keys.folder().exists());
}

#[test]
fn protecting_and_unprotecting_keep_the_key() {
    let (_folder, home, keys) = made();
    let told = Told::new("six words");
    let changing = fresh(&home, &told);
    let plain = keys.secret().to_bytes();
    for _ in 0..2 {
        assert!(
            changing
                .protect(&INSECURE_TOY)
                .expect("unprotected")
                .protected
        );
        assert_eq!(names(keys.folder()), ["evaluation.key", "key.json", SEALED]);
        let again = changing
            .protect(&INSECURE_TOY)
            .expect_err("it is")
            .to_string();
        assert!(again.contains("protected already"), "{again}");
        let read = fresh(&home, &told)
            .load(&INSECURE_TOY)
            .expect("good")
            .expect("there");
        assert_eq!(read.secret().to_bytes(), plain);

        let record = changing.unprotect(&INSECURE_TOY).expect("protected");
        assert_eq!(record, *keys.record());
        assert_eq!(names(keys.folder()), ["evaluation.key", "key.json", SECRET]);
        assert_eq!(mode(&keys.folder().join(SECRET)), 0o600);
        let again = changing
            .unprotect(&INSECURE_TOY)
            .expect_err("it is not")
            .to_string();
        assert!(again.contains("keys protect"), "{again}");
        told.asked();
        let read = fresh(&home, &told)
            .load(&INSECURE_TOY)
            .expect("good")
            .expect("there");
        assert_eq!(read.secret().to_bytes(), plain);
        assert_eq!(told.asked(), 0);
    }
}

#[test]
fn without_keys_there_is_nothing_to_protect() {
    let (_folder, home) = home();
    let told = Told::new("right");
    let home = fresh(&home, &told);
    for outcome in [
        home.protect(&INSECURE_TOY).err(),
        home.unprotect(&INSECURE_TOY).err(),
        home.rotate(&INSECURE_TOY, &()).err(),
    ] {
        assert!(matches!(outcome, Some(ClientError::NoKeys { .. })));
    }
    assert_eq!(told.asked(), 0);
}

#[test]
fn damage_of_a_protected_key_is_told_before_anybody_is_asked() {
    let (_folder, home) = home();
    let told = Told::new("right");
    let keys = fresh(&home, &told)
        .protect_new_keys()
        .create(&INSECURE_TOY, &());
    let path = keys.expect("an empty home").folder().join(SEALED);
    let sealed = fs::read(&path).expect("written");
    told.asked();
    fs::write(&path, &sealed[30..]).expect("ours");
    for outcome in [
        fresh(&home, &told).load(&INSECURE_TOY).err(),
        fresh(&home, &told).check(&INSECURE_TOY).err(),
    ] {
        let message = outcome.expect("damaged").to_string();
        assert!(message.contains("secret.key.age is damaged"), "{message}");
    }
    assert_eq!(told.asked(), 0);
    let mut end = sealed.clone();
    *end.last_mut().expect("not empty") ^= 1;
    fs::write(&path, &end).expect("ours");
    let message = fresh(&home, &told)
        .load(&INSECURE_TOY)
        .err()
        .expect("damaged")
        .to_string();
    assert!(message.contains("secret.key.age is damaged"), "{message}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
    let message = fresh(&home, &told)
        .load(&INSECURE_TOY)
        .err()
        .expect("exposed")
        .to_string();
    assert!(message.contains("chmod 600"), "{message}");
}

#[test]
fn new_keys_in_place_of_protected_ones_are_protected_alike() {
    let (_folder, home) = home();
    let told = Told::new("right");
    let rotating = fresh(&home, &told);
    let old = rotating
        .clone()
        .protect_new_keys()
        .create(&INSECURE_TOY, &());
    let old = old.expect("an empty home").record().clone();
    let rotation = fresh(&home, &told)
        .rotate(&INSECURE_TOY, &())
        .expect("the right passphrase");
    let new = rotation.finish().expect("writable");
    assert!(new.record().protected && new.record().id != old.id);
    let read = rotating
        .load(&INSECURE_TOY)
        .expect("the same passphrase")
        .expect("there");
    assert_eq!(read.record(), new.record());
}
