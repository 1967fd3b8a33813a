//! The tokens that a running server takes.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

use crate::error::TokenError;
use crate::owner::Owner;
use crate::tokens::{Hash, TokenEntry, TokenFile, hash};

/// How often the file is looked at, while requests come.
const PERIOD: Duration = Duration::from_secs(1);

/// A file of tokens that may change while the server runs.
#[derive(Debug)]
pub(crate) struct LiveTokens {
    file: TokenFile,
    period: Duration,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    looked: Instant,
    /// What the file was when it was read last, well or not.
    stamp: Option<Stamp>,
    /// By what the server computes of a token, not by the token: how long finding it takes tells at most something of a
    /// hash, from which nobody comes back to a token.
    tokens: Arc<HashMap<Hash, TokenEntry>>,
}

/// Why a token is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unwelcome {
    /// There is no such token, or not any more.
    Unknown,
    /// It is worth nothing any more.
    Expired(Timestamp),
}

impl LiveTokens {
    /// Reads the tokens.
    ///
    /// # Errors
    /// As [`TokenFile::list`].
    pub(crate) fn open(path: impl Into<PathBuf>) -> Result<Self, TokenError> {
        let file = TokenFile::new(path);
        let opened = file.open()?;
        let current = Current {
            looked: Instant::now(),
            stamp: Stamp::of(&opened),
            tokens: index(file.read(opened)?),
        };
        Ok(Self {
            file,
            period: PERIOD,
            current: Mutex::new(current),
        })
    }

    /// The same, looking at the file for every request.
    #[cfg(test)]
    pub(super) fn without_delay(mut self) -> Self {
        self.period = Duration::ZERO;
        self
    }

    /// Whose token this is.
    pub(crate) fn owner(&self, token: &str) -> Result<Owner, Unwelcome> {
        let tokens = self.current();
        let entry = tokens.get(&hash(token)).ok_or(Unwelcome::Unknown)?;
        match entry.expires {
            Some(expires) if entry.expired(Timestamp::now()) => Err(Unwelcome::Expired(expires)),
            _ => Ok(entry.owner()),
        }
    }

    /// The tokens of now. Those of before, if the file cannot be used: a slip of the pen locks nobody out.
    fn current(&self) -> Arc<HashMap<Hash, TokenEntry>> {
        let current = self.current.lock();
        let mut current = current.unwrap_or_else(PoisonError::into_inner);
        if current.looked.elapsed() >= self.period {
            current.looked = Instant::now();
            self.look(&mut current);
        }
        Arc::clone(&current.tokens)
    }

    fn look(&self, current: &mut Current) {
        let opened = self.file.open();
        let stamp = opened.as_ref().ok().and_then(Stamp::of);
        if stamp == current.stamp {
            return;
        }
        current.stamp = stamp; // also of a bad file: one line in the log is enough
        match opened.and_then(|file| self.file.read(file)) {
            Ok(tokens) => {
                tracing::info!(tokens = tokens.len(), "read the file of tokens again");
                current.tokens = index(tokens);
            }
            Err(error) => {
                tracing::error!(%error, "the file of tokens has become unusable, those of before stay valid");
            }
        }
    }
}

fn index(tokens: Vec<TokenEntry>) -> Arc<HashMap<Hash, TokenEntry>> {
    let tokens = tokens.into_iter().map(|entry| (entry.sha256, entry));
    Arc::new(tokens.collect())
}

/// What changes whenever a file's content or its permissions do.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    /// Number of the file, and when anything of it changed.
    node: Option<(u64, i64, i64)>,
}

impl Stamp {
    fn of(file: &File) -> Option<Self> {
        let metadata = file.metadata().ok()?;
        #[cfg(unix)]
        let node = {
            use std::os::unix::fs::MetadataExt;
            Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
        };
        #[cfg(not(unix))]
        let node = None;
        Some(Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            node,
        })
    }
}
