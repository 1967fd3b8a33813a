//! What the server keeps on disk: evaluation keys, sessions, what was used.
//!
//! ```text
//! DATA_DIR/lock                   held by the one server that uses the directory
//! DATA_DIR/server.db              who registered which key, sessions, usage (SQLite; -wal and -shm beside it)
//! DATA_DIR/server.db.damaged-N    one that was found damaged, set aside
//! DATA_DIR/incoming/*             uploads, whole or not; emptied when a server starts
//! DATA_DIR/keys/SET/ID            a complete, verified key of parameter set SET
//! DATA_DIR/keys/SET/ID.damaged    one that was found damaged, set aside
//! ```
//!
//! The database says what there is. A key's file is put in place by one atomic rename, when its bytes are on
//! disk, and its row is written after that: a crash at any moment leaves either the whole key, or a file without a
//! row, which is removed at the next start. The file's name is the SHA-256 of its content, so that owners who
//! register the same bytes share it; it goes with the last registration.
//!
//! | module | what it does |
//! |---|---|
//! | `directory` | folders, rights, the lock, overwriting files |
//! | `database` | SQLite: tables, durability, damage, deletion |
//! | `keys` | registrations and the files of keys |
//! | `damage` | what is damaged or missing: rows and files made to agree, files set aside |
//! | `uploads` | keys on their way in, which may break off and be resumed |
//! | `room` | the quota, and who has to go when it is full, or was not used for long |
//! | `uses` | which keys are in use, and when they last were |
//! | `figures` | what an operator may know |
//! | `sessions`, `usage` | rows of sessions and of what owners have used |

mod damage;
mod database;
mod directory;
mod figures;
mod keys;
mod room;
mod sessions;
#[cfg(test)]
mod tests;
mod time;
mod uploads;
mod usage;
mod uses;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cipherformer_circuit::ParameterSet;
use cipherformer_protocol::KeyId;

use crate::error::{ServerError, StartError};
use database::{Database, OpenError};
use directory::Directory;
pub(crate) use figures::StoreFigures;
pub(crate) use keys::{key_limit, short};
pub(crate) use sessions::{SessionLimits, SessionRow};
pub(crate) use time::Time;
pub(crate) use uploads::Upload;
use uploads::Uploads;
pub(crate) use uses::Hold;
use uses::Uses;

/// What a store may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes on disk, of everything.
    pub(crate) disk: u64,
    /// Keys that were not used for so long are removed.
    pub(crate) key_age: Duration,
    /// Keys that an owner with a name may have registered.
    pub(crate) keys_per_owner: usize,
}

/// How often something stored was found damaged since the server started. What is damaged is set aside or
/// removed, and clients send it again by themselves; their operator should look at the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Keys whose file was damaged or missing.
    pub keys: u64,
    /// Sessions whose row made no sense.
    pub sessions: u64,
    /// Databases that could not be opened.
    pub databases: u64,
}

/// One data directory.
#[derive(Debug)]
pub(crate) struct Store {
    directory: Directory,
    database: Database,
    /// The parameter sets whose keys are taken.
    sets: Vec<&'static ParameterSet>,
    limits: Limits,
    /// Held while keys' files and rows change together, and while room is made for more.
    changes: Mutex<()>,
    uploads: Uploads,
    uses: Uses,
    damage: Mutex<Damage>,
}

/// Proof that [`Store::changes`] is held.
type Changes<'a> = MutexGuard<'a, ()>;

impl Store {
    /// Opens the directory, making it if missing; makes rows and files agree, and removes what interrupted uploads
    /// left.
    ///
    /// One that cannot be written is accepted if it is there: the keys in it keep serving.
    ///
    /// # Errors
    /// A directory that is missing and cannot be made, or that another server uses, or a database that cannot
    /// be used, unless it is damaged: then it is set aside.
    pub(crate) fn open(
        data_dir: &Path,
        sets: Vec<&'static ParameterSet>,
        limits: Limits,
    ) -> Result<Arc<Self>, StartError> {
        let directory = Directory::open(data_dir, &sets)?;
        let mut damage = Damage::default();
        let database = open_database(&directory, &mut damage)?;
        let store = Self {
            directory,
            database,
            sets,
            limits,
            changes: Mutex::default(),
            uploads: Uploads::default(),
            uses: Uses::default(),
            damage: Mutex::new(damage),
        };
        if store.database.is_writable()
            && let Err(error) = store.reconcile()
        {
            tracing::warn!(%error, "stored keys could not all be checked");
        }
        store.report();
        Ok(Arc::new(store))
    }

    /// How often something stored was found damaged.
    pub(crate) fn damage(&self) -> Damage {
        *self.count_damage()
    }

    fn count_damage(&self) -> MutexGuard<'_, Damage> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a key on disk for as long as the answer lives.
    pub(crate) fn hold(&self, id: &KeyId) -> Hold {
        self.uses.hold(id)
    }

    /// Removes what is old: keys that nobody has used for long, uploads that were given up, what was set aside, and
    /// what the log still has of things deleted. Blocks.
    pub(crate) fn sweep(&self, now: Time) -> Result<(), ServerError> {
        if !self.database.is_writable() {
            return Ok(());
        }
        self.uploads.expire(now);
        self.write_uses(now)?;
        self.drop_old_keys(now)?;
        self.remove_old_damage();
        self.forget_usage(now)?;
        self.database.scrub_if_needed()?;
        // The quota may have been lowered, or the database grown by something small.
        match self.make_room(0, &self.changes()) {
            Err(ServerError::StorageFull) | Ok(()) => Ok(()),
            error => error,
        }
    }

    fn changes(&self) -> Changes<'_> {
        // Files and rows are changed so that they are consistent after every step.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self) {
        let counts = self.database.read(|db| {
            db.query_row(
                "SELECT (SELECT COUNT(*) FROM keys), (SELECT COUNT(*) FROM sessions)",
                [],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
            )
        });
        if let Ok((keys, sessions)) = counts {
            tracing::info!(keys, sessions, "data directory opened");
        }
    }
}

fn open_database(directory: &Directory, damage: &mut Damage) -> Result<Database, StartError> {
    let path = directory.database();
    let opened = match directory.is_writable() {
        true => Database::open(&path),
        false => Database::open_read_only(&path),
    };
    let opened = match opened {
        Err(OpenError::Damaged(reason)) if directory.is_writable() => {
            damage.databases += 1;
            tracing::error!(
                reason,
                "the database is damaged and set aside: clients will register again"
            );
            match database::set_aside(&path) {
                Ok(_) => Database::open(&path),
                Err(error) => Err(error.into()),
            }
        }
        opened => opened,
    };
    opened.map_err(|error| match error {
        OpenError::Newer(version) => StartError::NewerDatabase { path, version },
        error => StartError::DataDir {
            path: directory.root().to_owned(),
            source: std::io::Error::other(error),
        },
    })
}
