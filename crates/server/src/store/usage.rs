//! What owners have used today. Of earlier days nothing is kept.

use rusqlite::{OptionalExtension, params};

use crate::error::ServerError;
use crate::store::{Store, Time};

impl Store {
    /// Whether what is used can be counted.
    pub(crate) fn counts_usage(&self) -> bool {
        self.database.is_writable()
    }

    /// How many positions were evaluated for an owner on this day.
    pub(crate) fn used_on(&self, owner: &str, day: i64) -> Result<u64, ServerError> {
        let used = self.database.read(|db| {
            db.prepare_cached("SELECT evaluations FROM usage WHERE owner = ? AND day = ?")?
                .query_row(params![owner, day], |row| row.get(0))
                .optional()
        })?;
        Ok(used.unwrap_or(0))
    }

    /// Adds to it.
    pub(crate) fn add_usage(
        &self,
        owner: &str,
        day: i64,
        evaluations: u64,
    ) -> Result<(), ServerError> {
        self.database.note(|db| {
            db.prepare_cached(
                "INSERT INTO usage (owner, day, evaluations) VALUES (?1, ?2, ?3)
                 ON CONFLICT (owner) DO UPDATE SET day = ?2,
                 evaluations = CASE day WHEN ?2 THEN evaluations + ?3 ELSE ?3 END",
            )?
            .execute(params![owner, day, evaluations])?;
            Ok(())
        })
    }

    /// Removes what was used on earlier days.
    pub(super) fn forget_usage(&self, now: Time) -> Result<(), ServerError> {
        self.database.note(|db| {
            db.execute("DELETE FROM usage WHERE day < ?", [now.day()])?;
            Ok(())
        })
    }
}
