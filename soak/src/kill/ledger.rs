//! What clients were told: keys that are registered or gone, sessions and where they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cipherformer_protocol::{KeyId, SessionId};

/// What is known of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Never registered, or deleted: both were acknowledged, or neither was asked for.
    #[default]
    Absent,
    /// Its registration was acknowledged.
    Registered,
    /// A registration or a deletion is under way, or was when the server was killed.
    Unsure,
}

/// What is known of a session.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// Which of the names it is.
    pub(super) name: usize,
    /// How many tokens were acknowledged.
    pub(super) position: usize,
    /// The last answer.
    pub(super) answer: Vec<u8>,
    /// The next token is under way.
    pub(super) in_flight: bool,
    /// It was asked to be closed.
    pub(super) closing: bool,
}

/// Everything that clients by hand know.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    keys: BTreeMap<KeyId, Standing>,
    sessions: BTreeMap<SessionId, Text>,
}

/// A key's page.
pub(super) struct Key<'a> {
    ledger: &'a Ledger,
    id: &'a KeyId,
}

impl Ledger {
    /// What is known of a key.
    pub(super) fn key<'a>(&'a self, id: &'a KeyId) -> Key<'a> {
        Key { ledger: self, id }
    }

    /// All sessions.
    pub(super) fn sessions(&self) -> Vec<(SessionId, Text)> {
        let sessions = self.content().sessions.clone();
        sessions.into_iter().collect()
    }

    /// A session, as far as it is known now.
    pub(super) fn session(&self, id: &SessionId) -> Option<Text> {
        self.content().sessions.get(id).cloned()
    }

    /// This is known of a session now.
    pub(super) fn set_session(&self, id: &SessionId, text: Text) {
        self.content().sessions.insert(id.clone(), text);
    }

    /// A session is over.
    pub(super) fn forget_session(&self, id: &SessionId) {
        self.content().sessions.remove(id);
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key<'_> {
    /// What is known of it.
    pub(super) fn standing(&self) -> Standing {
        let content = self.ledger.content();
        content.keys.get(self.id).copied().unwrap_or_default()
    }

    /// Something is about to change.
    pub(super) fn doubt(&self) {
        self.set(Standing::Unsure);
    }

    /// It is registered.
    pub(super) fn acknowledge(&self) {
        self.set(Standing::Registered);
    }

    /// It is not there.
    pub(super) fn forget(&self) {
        self.set(Standing::Absent);
    }

    fn set(&self, standing: Standing) {
        self.ledger.content().keys.insert(self.id.clone(), standing);
    }
}
