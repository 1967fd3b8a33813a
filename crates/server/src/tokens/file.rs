//! The file of tokens.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::TokenError;
use crate::tokens::entry::is_name;
use crate::tokens::{TokenEntry, draw, hash};

const HEADER: &str = "\
# Tokens of the clients of a cipherformer-server. `cipherformer-server tokens` adds, lists and revokes them, and a
# running server sees it. Of a token there is only its SHA-256, which cannot be turned back into it.

";

/// A file of tokens. It is read anew for every use, and written in one step.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    token: Vec<TokenEntry>,
}

impl TokenFile {
    /// The file at this path, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its tokens, in the order they were made.
    ///
    /// # Errors
    /// A file that is missing, that others can read or write, or that is damaged.
    pub fn list(&self) -> Result<Vec<TokenEntry>, TokenError> {
        self.read(self.open()?)
    }

    /// Adds a token, making the file if need be. This answer is the only place where the token ever is.
    ///
    /// # Errors
    /// A name that is taken or cannot be used, or a file that cannot be read or written.
    pub fn add(
        &self,
        name: &str,
        evaluations_per_day: Option<u64>,
        expires: Option<Timestamp>,
    ) -> Result<String, TokenError> {
        let name = name.to_owned();
        if !is_name(&name) {
            return Err(TokenError::Name { name });
        }
        let token = draw();
        self.change(|tokens| {
            if tokens.iter().any(|token| token.name == name) {
                return Err(TokenError::NameTaken { name });
            }
            let now = Timestamp::now().as_second();
            tokens.push(TokenEntry {
                name,
                sha256: hash(&token),
                created: Timestamp::from_second(now).unwrap_or_default(),
                evaluations_per_day,
                expires,
            });
            Ok(())
        })?;
        Ok(token)
    }

    /// Makes the token of this name worthless.
    ///
    /// # Errors
    /// No such token, or a file that cannot be read or written.
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        self.change(|tokens| {
            let known: Vec<&str> = tokens.iter().map(|token| token.name.as_str()).collect();
            if !known.contains(&name) {
                let known = match known.is_empty() {
                    true => "none".to_owned(),
                    false => known.join(", "),
                };
                let name = name.to_owned();
                return Err(TokenError::UnknownName { name, known });
            }
            tokens.retain(|token| token.name != name);
            Ok(())
        })
    }

    pub(super) fn open(&self) -> Result<File, TokenError> {
        File::open(&self.path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => TokenError::Missing {
                path: self.path.clone(),
            },
            _ => self.fault("read")(error),
        })
    }

    /// Reads the open file.
    pub(super) fn read(&self, mut file: File) -> Result<Vec<TokenEntry>, TokenError> {
        self.check_private(&file)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(self.fault("read"))?;
        self.parse(&text)
    }

    fn parse(&self, text: &str) -> Result<Vec<TokenEntry>, TokenError> {
        let damaged = |line, reason| TokenError::Damaged {
            path: self.path.clone(),
            line,
            reason,
        };
        let content: Content = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = 1 + text.as_bytes()[..start]
                .iter()
                .filter(|&&b| b == b'\n')
                .count();
            damaged(line, error.message().replace('\n', " "))
        })?;
        let tokens = content.token;
        let mut names = HashSet::new();
        match tokens.iter().find(|token| !names.insert(&token.name)) {
            Some(twice) => Err(damaged(1, format!("there are two tokens {}", twice.name))),
            None => Ok(tokens),
        }
    }

    /// Changes the tokens, unless that fails. Two programs at once take turns.
    fn change(
        &self,
        change: impl FnOnce(&mut Vec<TokenEntry>) -> Result<(), TokenError>,
    ) -> Result<(), TokenError> {
        let _turn = lock(&self.path).map_err(self.fault("lock"))?;
        let mut tokens = match self.list() {
            Err(TokenError::Missing { .. }) => Vec::new(),
            tokens => tokens?,
        };
        change(&mut tokens)?;
        let content = Content { token: tokens };
        let text = toml::to_string(&content).expect("plain data");
        replace(&self.path, &(HEADER.to_owned() + &text)).map_err(self.fault("write"))
    }

    #[cfg(unix)]
    fn check_private(&self, file: &File) -> Result<(), TokenError> {
        let metadata = file.metadata().map_err(self.fault("read"))?;
        let mode = std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777;
        match mode & 0o077 {
            0 => Ok(()),
            _ => Err(TokenError::Exposed {
                path: self.path.clone(),
                mode,
            }),
        }
    }

    #[cfg(not(unix))]
    fn check_private(&self, _file: &File) -> Result<(), TokenError> {
        Ok(())
    }

    fn fault(&self, action: &'static str) -> impl Fn(io::Error) -> TokenError {
        let path = self.path.clone();
        move |source| TokenError::File {
            action,
            path: path.clone(),
            source,
        }
    }
}

/// Held by a file beside it, as the file itself is replaced.
fn lock(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(name)?;
    file.lock()?;
    Ok(file)
}

/// Writes a file that only its owner can read, through to the disk; readers see the old one or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
