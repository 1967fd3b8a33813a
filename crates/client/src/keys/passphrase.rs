//! Passphrases: where they come from.

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::files;
use crate::error::ClientError;

/// The environment variable that names a file with the passphrase in it.
pub const PASSPHRASE_FILE: &str = "CIPHERFORMER_PASSPHRASE_FILE";

/// Longer ones are mistakes: another file was named.
const LONGEST: usize = 1024;

/// What opens a protected key. Overwritten when dropped, and shown by nothing.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

/// What is wrong with a passphrase, or with a key's being under one.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// There is nobody to ask.
    #[error(
        "the secret key {key} is protected by a passphrase, and there is no terminal to ask for it; put it in \
         a file that only you can read, and name that with --passphrase-file or {PASSPHRASE_FILE}"
    )]
    Unasked {
        /// The key's file.
        key: PathBuf,
    },
    /// It does not open the key.
    #[error(
        "this is not the passphrase of {key}; try again (without it the key is of no use: `keys delete` and \
         `keys create` make another)"
    )]
    Wrong {
        /// The key's file.
        key: PathBuf,
    },
    /// Not a passphrase.
    #[error(
        "the passphrase is empty; choose one that nobody guesses, such as six words drawn at random"
    )]
    Empty,
    /// Far longer than anybody types.
    #[error("the passphrase has more than {LONGEST} bytes; was another file meant?")]
    Long,
    /// Bytes that no keyboard types.
    #[error("the passphrase is not UTF-8; was another file meant?")]
    NotText,
    /// The user typed something else the second time.
    #[error("the two passphrases differ; nothing was changed, try again")]
    Differ,
    /// The terminal failed.
    #[error("cannot ask for the passphrase: {0}; name a file that holds it with --passphrase-file")]
    Terminal(io::Error),
    /// There is one already.
    #[error(
        "the secret key {key} is protected already; for another passphrase run `keys rotate`, or `keys \
         unprotect` and then `keys protect`"
    )]
    Protected {
        /// The key's file.
        key: PathBuf,
    },
    /// There is none.
    #[error("the secret key {key} has no passphrase; give it one with `keys protect`")]
    Unprotected {
        /// The key's file.
        key: PathBuf,
    },
}

/// Says passphrases. The program brings its own if it has, say, windows to ask in.
pub trait Passphrases: Send + Sync {
    /// The one that opens a key. Asked once for every key of a [`KeyHome`](crate::KeyHome), as long as it is right.
    ///
    /// # Errors
    /// There is none to be had.
    fn for_opening(&self, key: &Path) -> Result<Passphrase, ClientError>;

    /// A new one, for a key that has none yet.
    ///
    /// # Errors
    /// There is none to be had.
    fn for_protecting(&self, key: &Path) -> Result<Passphrase, ClientError>;
}

/// From a file if one is named, else from the user at the terminal.
#[derive(Clone, Debug, Default)]
pub struct FileOrTerminal {
    file: Option<PathBuf>,
}

impl Passphrase {
    /// This text.
    ///
    /// # Errors
    /// It is empty, or too long for a passphrase.
    pub fn new(text: impl Into<Zeroizing<String>>) -> Result<Self, PassphraseError> {
        let text = text.into();
        match text.len() {
            0 => Err(PassphraseError::Empty),
            length if length > LONGEST => Err(PassphraseError::Long),
            _ => Ok(Self(text)),
        }
    }

    /// The first line of a file, without its end.
    ///
    /// # Errors
    /// A file that cannot be read, or holds no passphrase.
    pub fn from_file(path: &Path) -> Result<Self, ClientError> {
        let bytes = files::read_stream(path, LONGEST + 2)?;
        let line = bytes
            .split(|&byte| byte == b'\n')
            .next()
            .unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|_| PassphraseError::NotText)?;
        Ok(Self::new(text.to_owned())?)
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

impl FileOrTerminal {
    /// The passphrase is in this file, if one is given.
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { file }
    }

    /// The file is the one that the environment names in [`PASSPHRASE_FILE`].
    pub fn from_environment() -> Self {
        let file = std::env::var_os(PASSPHRASE_FILE).filter(|path| !path.is_empty());
        Self::new(file.map(PathBuf::from))
    }
}

impl Passphrases for FileOrTerminal {
    fn for_opening(&self, key: &Path) -> Result<Passphrase, ClientError> {
        match &self.file {
            Some(file) => Passphrase::from_file(file),
            None => type_in(&format!("Passphrase of {}: ", key.display()), key),
        }
    }

    fn for_protecting(&self, key: &Path) -> Result<Passphrase, ClientError> {
        match &self.file {
            Some(file) => Passphrase::from_file(file),
            None => twice(|prompt| type_in(prompt, key)),
        }
    }
}

/// Asks for a new passphrase until two in a row are the same, once.
fn twice(ask: impl Fn(&str) -> Result<Passphrase, ClientError>) -> Result<Passphrase, ClientError> {
    let first = ask("New passphrase for the secret key: ")?;
    let second = ask("The same again: ")?;
    match first.text() == second.text() {
        true => Ok(first),
        false => Err(PassphraseError::Differ.into()),
    }
}

/// What the user types, unseen. Only if there is a user: input or messages go to a terminal.
fn type_in(prompt: &str, key: &Path) -> Result<Passphrase, ClientError> {
    if !io::stdin().is_terminal() && !io::stderr().is_terminal() {
        let key = key.to_owned();
        return Err(PassphraseError::Unasked { key }.into());
    }
    let typed = rpassword::prompt_password(prompt).map_err(PassphraseError::Terminal)?;
    Ok(Passphrase::new(typed)?)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Passphrase, ClientError> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), bytes).expect("ours");
        Passphrase::from_file(file.path())
    }

    #[test]
    fn a_file_holds_one_line() {
        for bytes in [
            &b"six words"[..],
            b"six words\n",
            b"six words\r\n",
            b"six words\nmore\n",
        ] {
            assert_eq!(read(bytes).expect("a passphrase").text(), "six words");
        }
        assert_eq!(read(b" \t ").expect("odd, but one").text(), " \t ");
        for (bytes, reason) in [
            (&b""[..], "empty"),
            (b"\n", "empty"),
            (b"caf\xe9", "not UTF-8"),
            (&[b'a'; 1025], "more than 1024"),
            (&[b'a'; 5000], "more than 1024"),
        ] {
            let error = read(bytes).expect_err(reason).to_string();
            assert!(error.contains(reason), "{error}");
        }
        let missing = Passphrase::from_file(Path::new("/no/such/file")).expect_err("missing");
        assert!(missing.to_string().contains("/no/such/file"), "{missing}");
    }

    #[test]
    fn a_new_passphrase_must_be_typed_alike_twice() {
        let typed = |first: &'static str, second: &'static str| {
            let answers = RefCell::new(vec![second, first]);
            twice(|_| {
                let answer = answers.borrow_mut().pop().expect("asked twice only");
                Ok(Passphrase::new(answer.to_owned())?)
            })
        };
        assert_eq!(typed("one", "one").expect("alike").text(), "one");
        let error = typed("one", "two").expect_err("unlike").to_string();
        assert!(error.contains("differ"), "{error}");
        let error = typed("", "").expect_err("empty").to_string();
        assert!(error.contains("empty"), "{error}");
    }

    #[test]
    fn nothing_shows_it() {
        let passphrase = Passphrase::new("correct horse".to_owned()).expect("not empty");
        assert_eq!(format!("{passphrase:?}"), "Passphrase");
    }
}
