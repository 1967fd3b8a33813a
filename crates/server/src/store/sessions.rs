//! Rows of sessions: each whole, checked, and never half of one state and half of another.

use std::collections::HashSet;

use cipherformer_protocol::SessionId;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use sha2::{Digest, Sha256};

use crate::error::ServerError;
use crate::owner::Registration;
use crate::store::{Store, Time};

/// A session as it is stored.
#[derive(Debug, PartialEq)]
pub(crate) struct SessionRow {
    pub(crate) id: SessionId,
    pub(crate) key: Registration,
    pub(crate) circuit: String,
    /// Of the circuit's version that it belongs to.
    pub(crate) digest: String,
    pub(crate) position: u64,
    pub(crate) last_used: Time,
    /// The answer to the last request, if there was one.
    pub(crate) last: Option<Vec<u8>>,
    pub(crate) state: Vec<u8>,
}

/// How many sessions there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionLimits {
    pub(crate) all: usize,
    pub(crate) of_key: usize,
    /// For messages.
    pub(crate) minutes: u64,
}

impl SessionRow {
    /// Of everything, each part behind its length.
    fn checksum(&self) -> [u8; 32] {
        let (id, key) = (String::from(self.id.clone()), self.key.id.to_string());
        let numbers = [self.position.to_be_bytes(), self.last_used.0.to_be_bytes()].concat();
        let has_last = [u8::from(self.last.is_some())];
        let parts: [&[u8]; 9] = [
            id.as_bytes(),
            self.key.owner.as_bytes(),
            key.as_bytes(),
            self.circuit.as_bytes(),
            self.digest.as_bytes(),
            &numbers,
            &has_last,
            self.last.as_deref().unwrap_or_default(),
            &self.state,
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

impl Store {
    /// Stores a new session, if there is room for it and its key is registered. `expected` is what it may grow to.
    /// Blocks.
    pub(crate) fn insert_session(
        &self,
        row: &SessionRow,
        limits: SessionLimits,
        expected: usize,
    ) -> Result<(), ServerError> {
        let changes = self.changes();
        self.make_room(expected as u64, &changes)?;
        self.database.write(|db| {
            check_limits(db, row, limits)?;
            let inserted = db
                .prepare_cached(
                    "INSERT INTO sessions (id, owner, key, circuit, digest, position, last_used, checksum, last, state)
                     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
                     WHERE EXISTS (SELECT 1 FROM keys WHERE owner = ?2 AND id = ?3)",
                )?
                .execute(params![
                    String::from(row.id.clone()),
                    row.key.owner,
                    row.key.id.to_string(),
                    row.circuit,
                    row.digest,
                    row.position,
                    row.last_used.0,
                    row.checksum(),
                    row.last,
                    row.state,
                ])?;
            let id = row.key.id.clone();
            (inserted == 1).then_some(()).ok_or(ServerError::UnknownKey { id })
        })
    }

    /// Replaces what a session remembers; `false` if it is gone. Blocks.
    pub(crate) fn update_session(&self, row: &SessionRow) -> Result<bool, ServerError> {
        let growth = (row.state.len() as u64).saturating_sub(self.state_bytes(&row.id)?);
        if growth > 0 {
            self.make_room(growth, &self.changes())?;
        }
        self.database.deleted();
        self.database.write(|db| {
            let updated = db
                .prepare_cached(
                    "UPDATE sessions SET position = ?2, last_used = ?3, checksum = ?4, last = ?5, state = ?6
                     WHERE id = ?1",
                )?
                .execute(params![
                    String::from(row.id.clone()),
                    row.position,
                    row.last_used.0,
                    row.checksum(),
                    row.last,
                    row.state,
                ])?;
            Ok(updated == 1)
        })
    }

    /// Whether there is such a session of this key.
    pub(crate) fn has_session(
        &self,
        id: &SessionId,
        key: &Registration,
    ) -> Result<bool, ServerError> {
        self.database.read(|db| {
            db.prepare_cached("SELECT 1 FROM sessions WHERE id = ? AND owner = ? AND key = ?")?
                .exists(params![
                    String::from(id.clone()),
                    key.owner,
                    key.id.to_string()
                ])
        })
    }

    /// A session of this key, if there is one. A damaged one is removed: its client sends its tokens again.
    pub(crate) fn session(
        &self,
        id: &SessionId,
        key: &Registration,
    ) -> Result<Option<SessionRow>, ServerError> {
        let row = self.database.read(|db| {
            db.prepare_cached(
                "SELECT circuit, digest, position, last_used, checksum, last, state FROM sessions
                 WHERE id = ? AND owner = ? AND key = ?",
            )?
            .query_row(
                params![String::from(id.clone()), key.owner, key.id.to_string()],
                |row| Ok(read(id, key, row)),
            )
            .optional()
        })?;
        match row {
            None => Ok(None),
            Some(Some(row)) => Ok(Some(row)),
            Some(None) => {
                self.report_damaged_session(id, key);
                Ok(None)
            }
        }
    }

    /// Removes a session that makes no sense.
    pub(crate) fn report_damaged_session(&self, id: &SessionId, key: &Registration) {
        self.count_damage().sessions += 1;
        tracing::error!("a stored session is damaged and removed: its client will send it again");
        if let Err(error) = self.delete_session(id, key) {
            tracing::error!(%error, "a damaged session cannot be removed");
        }
    }

    /// Removes a session of this key; `false` if there is none. Blocks.
    pub(crate) fn delete_session(
        &self,
        id: &SessionId,
        key: &Registration,
    ) -> Result<bool, ServerError> {
        self.database.deleted();
        self.database.write(|db| {
            let deleted = db.execute(
                "DELETE FROM sessions WHERE id = ? AND owner = ? AND key = ?",
                params![String::from(id.clone()), key.owner, key.id.to_string()],
            )?;
            Ok(deleted > 0)
        })
    }

    /// Removes sessions that were last used before that moment, except these. Blocks.
    pub(crate) fn delete_sessions_before(
        &self,
        moment: Time,
        busy: &HashSet<SessionId>,
    ) -> Result<(), ServerError> {
        let expired: Vec<String> = self.database.read(|db| {
            let mut rows = db.prepare_cached("SELECT id FROM sessions WHERE last_used <= ?")?;
            let rows = rows.query_map([moment.0], |row| row.get(0))?;
            rows.collect()
        })?;
        let is_busy = |id: &str| id.parse().is_ok_and(|id| busy.contains(&id));
        let expired: Vec<String> = expired.into_iter().filter(|id| !is_busy(id)).collect();
        if expired.is_empty() {
            return Ok(());
        }
        self.database.deleted();
        self.database.write(|db| {
            let mut delete = db.prepare_cached("DELETE FROM sessions WHERE id = ?")?;
            for id in &expired {
                delete.execute([id])?;
            }
            Ok(())
        })
    }

    fn state_bytes(&self, id: &SessionId) -> Result<u64, ServerError> {
        let bytes = self.database.read(|db| {
            db.prepare_cached("SELECT length(state) FROM sessions WHERE id = ?")?
                .query_row([String::from(id.clone())], |row| row.get(0))
                .optional()
        })?;
        Ok(bytes.unwrap_or(0))
    }
}

/// `None` if the row is not what was written.
fn read(id: &SessionId, key: &Registration, row: &Row<'_>) -> Option<SessionRow> {
    let session = SessionRow {
        id: id.clone(),
        key: key.clone(),
        circuit: row.get(0).ok()?,
        digest: row.get(1).ok()?,
        position: row.get(2).ok()?,
        last_used: Time(row.get(3).ok()?),
        last: row.get(5).ok()?,
        state: row.get(6).ok()?,
    };
    let checksum: [u8; 32] = row.get(4).ok()?;
    (session.checksum() == checksum).then_some(session)
}

/// Fails if there is no room for another session of this key.
fn check_limits(
    db: &Transaction<'_>,
    row: &SessionRow,
    limits: SessionLimits,
) -> Result<(), ServerError> {
    let (all, of_key): (i64, i64) = db
        .prepare_cached(
            "SELECT COUNT(*), COUNT(*) FILTER (WHERE owner = ? AND key = ?) FROM sessions",
        )?
        .query_row(params![row.key.owner, row.key.id.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let (minutes, full) = (limits.minutes, |count: i64, limit: usize| {
        usize::try_from(count).is_ok_and(|count| count >= limit)
    });
    if full(of_key, limits.of_key) {
        let limit = limits.of_key;
        return Err(ServerError::TooManySessionsOfKey { limit, minutes });
    }
    match full(all, limits.all) {
        true => Err(ServerError::TooManySessions { minutes }),
        false => Ok(()),
    }
}
