//! Registrations of keys, and the keys' files.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use cipherformer_circuit::ParameterSet;
use cipherformer_fhe::{FheError, SeededEvaluationKey, size_limit};
use cipherformer_protocol::KeyId;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::error::ServerError;
use crate::owner::Registration;
use crate::store::{Changes, Store, Time, directory};

/// What is known of a stored key without reading it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StoredKey {
    pub(crate) parameters: &'static ParameterSet,
    pub(crate) bytes: u64,
}

/// The most bytes a key of these parameters can have.
pub(crate) fn key_limit(parameters: &ParameterSet) -> usize {
    size_limit(parameters.evaluation_key_bytes())
}

/// A key id as logs show it.
pub(crate) fn short(id: &KeyId) -> String {
    id.to_string().chars().take(12).collect()
}

impl Store {
    /// The parameter set of this name, if its keys are taken.
    ///
    /// # Errors
    /// Any other name.
    pub(crate) fn parameter_set(&self, name: &str) -> Result<&'static ParameterSet, ServerError> {
        self.known_set(name)
            .ok_or_else(|| ServerError::UnknownParameterSet {
                name: name.chars().take(64).collect(),
                known: self.names(),
            })
    }

    /// What is known of a key, or `None`.
    pub(crate) fn find(&self, key: &Registration) -> Result<Option<StoredKey>, ServerError> {
        let row = self.database.read(|db| {
            db.prepare_cached("SELECT parameter_set, bytes FROM keys WHERE owner = ? AND id = ?")?
                .query_row(params![key.owner, key.id.to_string()], |row| {
                    Ok((row.get::<_, String>(0)?, row.get(1)?))
                })
                .optional()
        })?;
        Ok(row.and_then(|(set, bytes)| {
            let parameters = self.known_set(&set)?;
            Some(StoredKey { parameters, bytes })
        }))
    }

    /// Whether anybody has registered the key.
    pub(crate) fn is_registered(&self, id: &KeyId) -> Result<bool, ServerError> {
        self.database.read(|db| {
            db.prepare_cached("SELECT 1 FROM keys WHERE id = ?")?
                .exists([id.to_string()])
        })
    }

    /// Remembers that a key is used now.
    pub(crate) fn touch(&self, key: &Registration, now: Time) {
        if self.database.is_writable() && self.uses.touch(key, now) {
            // It may be the wrong one that goes when room is needed; that is no reason to fail.
            let _ = self.write_use(key, now);
        }
    }

    /// Reads a key and checks it. A damaged file is set aside; its clients have to register again.
    pub(crate) fn load(
        &self,
        id: &KeyId,
        parameters: &'static ParameterSet,
    ) -> Result<SeededEvaluationKey, ServerError> {
        match self.read_key(id, parameters)? {
            Ok(key) => Ok(key),
            Err(reason) => {
                tracing::error!(key = short(id), reason, "stored key is damaged");
                Err(self.set_key_aside(id, parameters))
            }
        }
    }

    /// Puts a verified file in place and registers it; answers whether the registration is new. The file always
    /// replaces the one that is there: should that be damaged, this heals it.
    pub(super) fn register(
        &self,
        key: &Registration,
        parameters: &'static ParameterSet,
        bytes: u64,
        persist: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<bool, ServerError> {
        let _changes = self.changes();
        let new = self.find(key)?.is_none();
        self.check_keys_of_owner(key)?;
        let file = self.directory.key(&key.id, parameters.name);
        persist(&file).map_err(|error| ServerError::storage("storing a key", &error))?;
        let now = Time::now();
        let inserted = self.database.write(|db| {
            db.execute(
                "INSERT INTO keys (owner, id, parameter_set, bytes, created, last_used)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5)
                 ON CONFLICT (owner, id) DO UPDATE SET last_used = ?5",
                params![key.owner, key.id.to_string(), parameters.name, bytes, now.0],
            )?;
            Ok(())
        });
        match inserted {
            Ok(()) => Ok(new),
            Err(error) => {
                if !self.is_registered(&key.id).unwrap_or(true) {
                    let _ = fs::remove_file(&file);
                }
                Err(error)
            }
        }
    }

    /// Fails if an owner with a name has as many keys as may be, and this is another one.
    pub(super) fn check_keys_of_owner(&self, key: &Registration) -> Result<(), ServerError> {
        if !key.is_named() {
            return Ok(());
        }
        let others: i64 = self.database.read(|db| {
            db.prepare_cached("SELECT COUNT(*) FROM keys WHERE owner = ? AND id <> ?")?
                .query_row(params![key.owner, key.id.to_string()], |row| row.get(0))
        })?;
        let limit = self.limits.keys_per_owner;
        match usize::try_from(others).is_ok_and(|others| others < limit) {
            true => Ok(()),
            false => Err(ServerError::TooManyKeys { limit }),
        }
    }

    /// Deletes a key with everything that belongs to it, so that no copy of it is left; `false` if there is
    /// none. Sessions in memory are the caller's. Blocks.
    pub(crate) fn delete_key(&self, key: &Registration) -> Result<bool, ServerError> {
        let was_uploading = self.uploads.forget(key);
        let changes = self.changes();
        let was_registered = self.drop_key(key, &changes)?;
        if was_registered {
            self.database.scrub()?;
        }
        Ok(was_uploading || was_registered)
    }

    /// Removes a registration, its sessions, and the file if nobody else has it; `false` if there is none.
    pub(super) fn drop_key(
        &self,
        key: &Registration,
        _changes: &Changes<'_>,
    ) -> Result<bool, ServerError> {
        self.uses.forget(key);
        let dropped = self.database.write(|db| Ok(remove(db, key)?))?;
        let Some((set, others)) = dropped else {
            return Ok(false);
        };
        self.database.deleted();
        if others == 0 {
            let file = self.directory.key(&key.id, &set);
            for file in [file.with_extension("damaged"), file] {
                directory::shred(&file)
                    .map_err(|error| ServerError::storage("deleting a key", &error))?;
            }
        }
        Ok(true)
    }

    /// The outer error is the disk's, the inner one says what is wrong with the content.
    pub(super) fn read_key(
        &self,
        id: &KeyId,
        parameters: &'static ParameterSet,
    ) -> Result<Result<SeededEvaluationKey, String>, ServerError> {
        let path = self.directory.key(id, parameters.name);
        let bytes = match read_limited(&path, key_limit(parameters)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Err("its file is missing".to_owned()));
            }
            Err(error) => return Err(ServerError::storage("reading a key", &error)),
        };
        let key = match KeyId::of(&bytes) == *id {
            true => SeededEvaluationKey::from_bytes(&bytes, parameters),
            false => Err(FheError::Checksum {
                what: "stored evaluation key",
            }),
        };
        Ok(key.map_err(|error| error.to_string()))
    }

    fn known_set(&self, name: &str) -> Option<&'static ParameterSet> {
        self.sets.iter().copied().find(|set| set.name == name)
    }

    /// The names of the secure sets among them, for people.
    fn names(&self) -> String {
        let secure = self.sets.iter().filter(|set| set.security_bits > 0);
        secure.map(|set| set.name).collect::<Vec<_>>().join(", ")
    }
}

/// Removes the rows of a registration; answers with its parameter set, and how many others have the same key.
fn remove(db: &Transaction<'_>, key: &Registration) -> rusqlite::Result<Option<(String, i64)>> {
    let (owner, id) = (&key.owner, key.id.to_string());
    let set = db
        .query_row(
            "DELETE FROM keys WHERE owner = ? AND id = ? RETURNING parameter_set",
            params![owner, id],
            |row| row.get(0),
        )
        .optional()?;
    let Some(set) = set else {
        return Ok(None);
    };
    db.execute(
        "DELETE FROM sessions WHERE owner = ? AND key = ?",
        params![owner, id],
    )?;
    let others = db.query_row("SELECT COUNT(*) FROM keys WHERE id = ?", [id], |row| {
        row.get(0)
    })?;
    Ok(Some((set, others)))
}

/// Reads a file, but not more than one byte past `limit`: enough to see that it is too large.
fn read_limited(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    use io::Read;
    let file = fs::File::open(path)?;
    let length = file.metadata()?.len().min(limit as u64 + 1);
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
