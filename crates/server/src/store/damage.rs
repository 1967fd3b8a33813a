//! What is found damaged or missing: set aside, reported, and for clients to send again.

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use cipherformer_circuit::ParameterSet;
use cipherformer_protocol::KeyId;

use crate::error::ServerError;
use crate::store::{Store, directory, short};

impl Store {
    /// Makes rows and files agree. A row is nothing without its file, nor a file without a row.
    pub(super) fn reconcile(&self) -> Result<(), ServerError> {
        let storage = |error| ServerError::storage("checking stored keys", &error);
        let rows: Vec<(String, String, u64)> = self.database.read(|db| {
            let mut rows = db.prepare("SELECT DISTINCT id, parameter_set, bytes FROM keys")?;
            let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })?;
        let mut expected = HashSet::new();
        for (id, set, bytes) in rows {
            let path = self.directory.keys(&set).join(&id);
            if id.parse::<KeyId>().is_err() || set.contains(['/', '\\']) {
                tracing::error!("a row that names no key is removed");
                self.forget_rows(&id)?;
                continue;
            }
            let size = match fs::metadata(&path) {
                Ok(file) => Some(file.len()),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(storage(error)),
            };
            if size == Some(bytes) {
                expected.insert(path);
                continue;
            }
            let key: String = id.chars().take(12).collect();
            tracing::error!(
                key,
                expected = bytes,
                ?size,
                "stored key is damaged or missing"
            );
            self.give_up(&path, &id).map_err(storage)?;
        }
        for file in self.directory.key_files().map_err(storage)? {
            if !expected.contains(&file) && !directory::is_aside(&file) {
                directory::shred(&file).map_err(storage)?;
                tracing::info!("removed a key that was not registered");
            }
        }
        Ok(())
    }

    /// Returns what to tell the client.
    pub(super) fn set_key_aside(
        &self,
        id: &KeyId,
        parameters: &'static ParameterSet,
    ) -> ServerError {
        let _changes = self.changes();
        // Meanwhile it may have been deleted, or replaced by a good one.
        match self.is_registered(id) {
            Ok(true) => {}
            Ok(false) => return ServerError::UnknownKey { id: id.clone() },
            Err(error) => return error,
        }
        let still_damaged = match self.read_key(id, parameters) {
            Ok(key) => key.is_err(),
            Err(error) => return error,
        };
        if still_damaged {
            let path = self.directory.key(id, parameters.name);
            if let Err(error) = self.give_up(&path, &id.to_string()) {
                tracing::error!(key = short(id), %error, "a damaged key cannot be set aside");
            }
        }
        ServerError::DamagedKey { id: id.clone() }
    }

    /// Sets a file aside, if it is there, and removes its registrations. Sessions stay for a while: their clients
    /// register the key again, and go on.
    fn give_up(&self, path: &Path, id: &str) -> io::Result<()> {
        self.forget_rows(id).map_err(io::Error::other)?;
        match fs::rename(path, path.with_extension("damaged")) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    fn forget_rows(&self, id: &str) -> Result<(), ServerError> {
        self.count_damage().keys += 1;
        self.database.write(|db| {
            db.execute("DELETE FROM keys WHERE id = ?", [id])?;
            Ok(())
        })
    }

    /// Removes what was set aside long ago: by then nobody will look at it.
    pub(super) fn remove_old_damage(&self) {
        for path in self.directory.set_aside().unwrap_or_default() {
            if directory::age(&path).is_ok_and(|age| age >= self.limits.key_age) {
                let _ = directory::shred(&path);
            }
        }
    }

    /// `false` if nothing is left of it.
    pub(super) fn remove_oldest_damage(&self) -> bool {
        let aside = self.directory.set_aside().unwrap_or_default();
        let oldest = aside
            .into_iter()
            .max_by_key(|path| directory::age(path).ok());
        oldest.is_some_and(|path| directory::shred(&path).is_ok())
    }
}
