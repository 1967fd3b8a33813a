//! Secret keys under a passphrase: files of the format age, version 1, with one scrypt recipient.
//!
//! The age program reads them: `age --decrypt secret.key.age`.
//!
//! Plaintexts and passphrases are overwritten when dropped, here and in the age library, but for one buffer of
//! its writer: after a key was sealed, its plaintext stays in memory that was freed, until that is used again or
//! the process ends. Opening leaves nothing.

use std::io::Read;
use std::iter;

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Identity, scrypt};
use zeroize::Zeroizing;

use super::passphrase::Passphrase;

/// log2 of scrypt's N: about a second, and 256 MB of memory, for every guess of a passphrase.
pub(super) const WORK_FACTOR: u8 = 18;
/// More than four times that is not tried: whoever can write the file could keep a program busy for years.
const MOST_WORK: u8 = 20;
/// What a sealed file has besides its plaintext is a few hundred bytes.
pub(super) const OVERHEAD: usize = 4096;

/// Why a file was not opened.
#[derive(Debug, PartialEq)]
pub(super) enum Closed {
    /// It is of another passphrase, or the part that the passphrase opens is damaged.
    WrongPassphrase,
    /// It is not a file that this program wrote.
    Damaged(String),
}

/// Encrypts under a passphrase.
pub(super) fn seal(plaintext: &[u8], passphrase: &Passphrase, work_factor: u8) -> Vec<u8> {
    let mut recipient = scrypt::Recipient::new(secret(passphrase));
    recipient.set_work_factor(work_factor);
    age::encrypt(&recipient, plaintext).expect("memory can be written")
}

/// Decrypts what [`seal`] made.
pub(super) fn open(sealed: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, Closed> {
    let damaged = |reason: String| Closed::Damaged(reason);
    let file = decryptor(sealed).map_err(damaged)?;
    let mut identity = scrypt::Identity::new(secret(passphrase));
    identity.set_max_work_factor(MOST_WORK);
    let identities = iter::once(&identity as &dyn Identity);
    let mut reader = file.decrypt(identities).map_err(|error| match error {
        DecryptError::DecryptionFailed | DecryptError::NoMatchingKeys => Closed::WrongPassphrase,
        DecryptError::ExcessiveWork { required, .. } => damaged(format!(
            "it asks for a work factor of {required}, more than the {MOST_WORK} of any that we write"
        )),
        error => damaged(error.to_string()),
    })?;
    // Room for all of it from the start: growing would leave copies behind.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(sealed.len()));
    match reader.read_to_end(&mut plaintext) {
        Ok(_) => Ok(plaintext),
        Err(error) => Err(damaged(error.to_string())),
    }
}

/// Whether the bytes are such a file, as far as can be told without its passphrase.
pub(super) fn check(sealed: &[u8]) -> Result<(), String> {
    decryptor(sealed).map(drop)
}

fn decryptor(sealed: &[u8]) -> Result<Decryptor<&[u8]>, String> {
    let file = Decryptor::new_buffered(sealed).map_err(|error| error.to_string())?;
    match file.is_scrypt() {
        true => Ok(file),
        false => Err("it is encrypted, but not with a passphrase".to_owned()),
    }
}

fn secret(passphrase: &Passphrase) -> SecretString {
    passphrase.text().to_owned().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUICK: u8 = 1;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned()).expect("not empty")
    }

    proptest! {
        #[test]
        fn only_the_passphrase_opens(
            plaintext in prop::collection::vec(any::<u8>(), 0..5000),
            right in ".{1,40}",
            wrong in ".{1,40}",
        ) {
            // HMAC, and with it scrypt, takes a short key and the same with zeros behind it for one.
            prop_assume!(right.trim_end_matches('\0') != wrong.trim_end_matches('\0'));
            let sealed = seal(&plaintext, &passphrase(&right), QUICK);
            prop_assert!(sealed.len() <= plaintext.len() + OVERHEAD);
            prop_assert!(check(&sealed).is_ok());
            let opened = open(&sealed, &passphrase(&right)).expect("the right passphrase");
            prop_assert_eq!(&*opened, &plaintext);
            let closed = open(&sealed, &passphrase(&wrong)).err();
            prop_assert_eq!(closed, Some(Closed::WrongPassphrase));
        }

        #[test]
        fn a_changed_byte_never_opens(position in 0..10_000usize, change in 1..=255u8) {
            let mut sealed = seal(&[7; 3000], &passphrase("right"), QUICK);
            let position = position % sealed.len();
            sealed[position] ^= change;
            prop_assert!(open(&sealed, &passphrase("right")).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in any::<Vec<u8>>()) {
            prop_assert!(check(&bytes).is_err());
            prop_assert!(matches!(open(&bytes, &passphrase("a")), Err(Closed::Damaged(_))));
        }
    }

    #[test]
    fn what_would_take_hours_is_not_tried() {
        let sealed = seal(b"key", &passphrase("right"), QUICK);
        let text = String::from_utf8_lossy(&sealed).into_owned();
        let line = text.lines().find(|line| line.starts_with("-> scrypt"));
        let line = line.expect("the recipient's line");
        let mut greedy = line.strip_suffix(" 1").expect("the work factor").to_owned();
        greedy.push_str(" 40");
        let start = sealed
            .windows(line.len())
            .position(|window| window == line.as_bytes())
            .expect("it is ASCII");
        let mut changed = sealed[..start].to_vec();
        changed.extend_from_slice(greedy.as_bytes());
        changed.extend_from_slice(&sealed[start + line.len()..]);
        let Err(Closed::Damaged(reason)) = open(&changed, &passphrase("right")) else {
            panic!("it must be refused");
        };
        assert!(reason.contains("work factor of 40"), "{reason}");
    }

    #[test]
    fn keys_for_others_are_not_ours() {
        let identity = age::x25519::Identity::generate();
        let sealed = age::encrypt(&identity.to_public(), b"key").expect("to memory");
        assert!(check(&sealed).is_err());
    }
}
