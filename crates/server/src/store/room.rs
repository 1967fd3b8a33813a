//! Room on disk: a quota over everything, and who has to go when it is full.
//!
//! The database's log is emptied and what was set aside goes first, then the keys that were used least recently, with their sessions. A key in use is
//! not touched. Room is made as bytes arrive, not when they are announced: who wants others to lose their keys has
//! to send as many bytes.

use std::fs;

use cipherformer_protocol::KeyId;
use rusqlite::params;

use crate::error::ServerError;
use crate::owner::Registration;
use crate::store::{Changes, Store, Time, short};

impl Store {
    /// Makes room for so many bytes more. Blocks.
    ///
    /// # Errors
    /// If they do not fit beside what cannot go.
    pub(super) fn make_room(&self, bytes: u64, changes: &Changes<'_>) -> Result<(), ServerError> {
        while self.used()?.saturating_add(bytes) > self.limits.disk {
            if self.database.shorten_log()? || self.remove_oldest_damage() {
                continue;
            }
            let Some(oldest) = self.least_recently_used()? else {
                tracing::warn!(bytes, "the quota is full, and everything in it is in use");
                return Err(ServerError::StorageFull);
            };
            tracing::info!(key = short(&oldest.id), "dropped a key to make room");
            self.drop_key(&oldest, changes)?;
        }
        Ok(())
    }

    /// Fails if so much cannot fit whatever goes.
    pub(super) fn check_size(&self, bytes: u64) -> Result<(), ServerError> {
        match bytes <= self.limits.disk {
            true => Ok(()),
            false => Err(ServerError::StorageFull),
        }
    }

    /// What everything takes.
    fn used(&self) -> Result<u64, ServerError> {
        let keys: u64 = self.database.read(|db| {
            db.prepare_cached(
                "SELECT COALESCE(SUM(bytes), 0) FROM (SELECT DISTINCT id, bytes FROM keys)",
            )?
            .query_row([], |row| row.get(0))
        })?;
        let aside = self.directory.set_aside();
        let aside = aside.map_err(|error| ServerError::storage("looking for room", &error))?;
        let size = |path| fs::metadata(path).map_or(0, |file| file.len());
        let aside: u64 = aside.iter().map(size).sum();
        Ok(keys + aside + self.uploads.bytes() + self.database.bytes()?)
    }

    fn least_recently_used(&self) -> Result<Option<Registration>, ServerError> {
        let keys = self.keys_in_order()?;
        let mut free = keys
            .into_iter()
            .filter(|(_, key)| !self.uses.is_held(&key.id));
        Ok(free.next().map(|(_, key)| key))
    }

    /// Every registration, least recently used first.
    fn keys_in_order(&self) -> Result<Vec<(Time, Registration)>, ServerError> {
        let rows: Vec<(String, String, i64)> = self.database.read(|db| {
            let mut rows = db.prepare_cached("SELECT owner, id, last_used FROM keys")?;
            let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })?;
        let mut keys: Vec<_> = rows
            .into_iter()
            .filter_map(|(owner, id, last_used)| {
                let id: KeyId = id.parse().ok()?;
                let key = Registration { owner, id };
                let last = self.uses.last(&key).unwrap_or(Time(last_used));
                Some((last, key))
            })
            .collect();
        keys.sort_by_key(|(last, _)| *last);
        Ok(keys)
    }

    /// Drops keys that nobody has used for long.
    pub(super) fn drop_old_keys(&self, now: Time) -> Result<(), ServerError> {
        let changes = self.changes();
        for (last, key) in self.keys_in_order()? {
            let old = now.since(last) >= self.limits.key_age;
            if old && !self.uses.is_held(&key.id) {
                tracing::info!(
                    key = short(&key.id),
                    "dropped a key that was not used for long"
                );
                self.drop_key(&key, &changes)?;
            }
        }
        Ok(())
    }

    /// Writes down the uses that are not on disk yet.
    pub(super) fn write_uses(&self, now: Time) -> Result<(), ServerError> {
        for (key, last) in self.uses.unwritten(now) {
            self.write_use(&key, last)?;
        }
        Ok(())
    }

    pub(super) fn write_use(&self, key: &Registration, last: Time) -> Result<(), ServerError> {
        self.database.note(|db| {
            db.execute(
                "UPDATE keys SET last_used = ? WHERE owner = ? AND id = ?",
                params![last.0, key.owner, key.id.to_string()],
            )?;
            Ok(())
        })
    }
}
