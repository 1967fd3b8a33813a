//! Whose request it is, and what belongs to whom.

use cipherformer_protocol::KeyId;

/// Whose request it is. What one owner registers does not exist for another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The name that a client has proved to have; all without one are one owner.
    pub name: Option<String>,
    /// How many positions may be evaluated a day (UTC), if not as many as one likes. An evaluation of a whole
    /// text is one, each token of a session another.
    pub evaluations_per_day: Option<u64>,
}

impl Owner {
    /// This owner's registration of a key.
    pub(crate) fn of(&self, id: KeyId) -> Registration {
        Registration {
            owner: self.column().to_owned(),
            id,
        }
    }

    /// Who takes turns when this owner has something evaluated under a key.
    pub(crate) fn party(&self, key: &KeyId) -> Party {
        match self.column() {
            "" => Party::Key(key.clone()),
            name => Party::Owner(name.to_owned()),
        }
    }

    /// The owner as the store knows it; empty without a name. An empty name is none.
    pub(crate) fn column(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

/// Who takes turns: an owner with a name, under whichever keys; where there are no names, each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// By its name.
    Owner(String),
    /// By its id.
    Key(KeyId),
}

/// A key, and whose it is. The same bytes of another owner are another registration: neither can see, use or
/// delete the other's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Registration {
    /// As [`Owner::column`].
    pub(crate) owner: String,
    pub(crate) id: KeyId,
}

impl Registration {
    /// Whether the owner has a name.
    pub(crate) fn is_named(&self) -> bool {
        !self.owner.is_empty()
    }
}
