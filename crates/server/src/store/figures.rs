//! What an operator may know of a store.

use crate::store::{Damage, Store};

/// How much there is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StoreFigures {
    /// Different keys, whoever registered them.
    pub(crate) keys: u64,
    pub(crate) key_bytes: u64,
    pub(crate) sessions: u64,
    /// Uploads that write at the moment.
    pub(crate) uploads: u64,
    pub(crate) damage: Damage,
}

impl Store {
    /// Whether something can be written now. Blocks.
    pub(crate) fn can_write(&self) -> bool {
        self.database.is_writable() && tempfile::tempfile_in(self.directory.incoming()).is_ok()
    }

    /// How much there is now; nothing, should the database not say. Blocks.
    pub(crate) fn figures(&self) -> StoreFigures {
        let counts = self.database.read(|db| {
            db.prepare_cached(
                "SELECT COUNT(*), COALESCE(SUM(bytes), 0), (SELECT COUNT(*) FROM sessions)
                 FROM (SELECT DISTINCT id, bytes FROM keys)",
            )?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        });
        let (keys, key_bytes, sessions) = counts.unwrap_or_default();
        StoreFigures {
            keys,
            key_bytes,
            sessions,
            uploads: self.uploads.under_way() as u64,
            damage: self.damage(),
        }
    }
}
