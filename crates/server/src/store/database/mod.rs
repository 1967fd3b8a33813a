//! The database: who registered which key, sessions, and what was used.
//!
//! One connection writes, one reads beside it (write-ahead log), and other programs may read meanwhile. Every
//! change is on disk when [`Database::write`] returns. Deleted content is overwritten with zeros in the database
//! at once, and gone from the log after [`Database::scrub`].

mod open;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::error::ServerError;
pub(super) use open::{OpenError, set_aside};
use open::{PATIENCE, beside, empty, open_for_writing, open_immutable, open_reader};

/// How long to wait for other programs that read when the log is to be emptied: it can be done later.
const SCRUB_PATIENCE: Duration = Duration::from_millis(200);

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    // In this order: the last connection to close should be one that can tidy up.
    reader: Mutex<Connection>,
    writer: Mutex<Connection>,
    log: PathBuf,
    writable: bool,
    /// Whether the log may hold what has been deleted.
    unscrubbed: AtomicBool,
}

impl Database {
    /// Opens a database, made if missing, and checks it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let writer = open_for_writing(path)?;
        let database = Self::new(open_reader(path)?, writer, path, true);
        // Whatever ran before may have been stopped between deleting and scrubbing.
        database.deleted();
        Ok(database)
    }

    /// Opens a database that cannot be written: an empty one if there is none.
    pub(super) fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        let reader = match path.exists() {
            // If its log cannot even be looked for, nobody else can write it either.
            true => open_reader(path).or_else(|_| open_immutable(path))?,
            false => empty()?,
        };
        Ok(Self::new(reader, empty()?, path, false))
    }

    fn new(reader: Connection, writer: Connection, path: &Path, writable: bool) -> Self {
        Self {
            reader: Mutex::new(reader),
            writer: Mutex::new(writer),
            log: beside(path, "-wal"),
            writable,
            unscrubbed: AtomicBool::new(false),
        }
    }

    /// Whether this server may write.
    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Asks something. Takes microseconds, unless a whole session is read.
    pub(super) fn read<T>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ServerError> {
        Ok(ask(&lock(&self.reader))?)
    }

    /// Changes something, all of it or nothing; it is on disk when this returns. Takes milliseconds.
    pub(super) fn write<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, ServerError>,
    ) -> Result<T, ServerError> {
        self.transaction("FULL", change)
    }

    /// The same without waiting for the disk: survives the end of this program, however it ends, but perhaps not
    /// a power cut. For counters.
    pub(super) fn note<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, ServerError>,
    ) -> Result<T, ServerError> {
        self.transaction("NORMAL", change)
    }

    /// Says that something was deleted, so that the next [`Database::scrub_if_needed`] has work to do.
    pub(super) fn deleted(&self) {
        self.unscrubbed.store(true, Ordering::Relaxed);
    }

    /// Empties the log if there is anything in it, which makes room.
    pub(super) fn shorten_log(&self) -> Result<bool, ServerError> {
        let before = self.log_bytes();
        if before > 0 {
            self.scrub()?;
        }
        Ok(self.log_bytes() < before)
    }

    /// Removes what was deleted from the log too, unless that was done already.
    pub(super) fn scrub_if_needed(&self) -> Result<(), ServerError> {
        match self.unscrubbed.load(Ordering::Relaxed) {
            true => self.scrub(),
            false => Ok(()),
        }
    }

    /// Empties the log, in which deleted content may be left. If another program is reading at the moment, this is
    /// done later.
    pub(super) fn scrub(&self) -> Result<(), ServerError> {
        let writer = self.writer()?;
        let _nobody_reads = lock(&self.reader);
        self.deleted();
        // Requests wait meanwhile.
        writer.busy_timeout(SCRUB_PATIENCE)?;
        let busy = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            row.get::<_, i64>(0)
        });
        writer.busy_timeout(PATIENCE)?;
        self.unscrubbed.store(busy? != 0, Ordering::Relaxed);
        Ok(())
    }

    /// What it takes on disk.
    pub(super) fn bytes(&self) -> Result<u64, ServerError> {
        let pages = self.read(|db| {
            let pages: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            let size: i64 = db.query_row("PRAGMA page_size", [], |row| row.get(0))?;
            Ok(u64::try_from(pages * size).unwrap_or(0))
        })?;
        Ok(pages + self.log_bytes())
    }

    fn log_bytes(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |file| file.len())
    }

    fn writer(&self) -> Result<MutexGuard<'_, Connection>, ServerError> {
        match self.writable {
            true => Ok(lock(&self.writer)),
            false => Err(ServerError::StorageUnavailable),
        }
    }

    fn transaction<T>(
        &self,
        synchronous: &str,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, ServerError>,
    ) -> Result<T, ServerError> {
        let mut writer = self.writer()?;
        writer.pragma_update(None, "synchronous", synchronous)?;
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = change(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }
}

/// The log gets the details, the client does not. They hold no values, only SQL and reasons.
impl From<rusqlite::Error> for ServerError {
    fn from(error: rusqlite::Error) -> Self {
        tracing::error!(%error, "the database cannot be used");
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::StorageFull,
            _ => Self::StorageUnavailable,
        }
    }
}

/// A transaction that was not finished is rolled back, so what is behind these locks is consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_usage(database: &Database, owner: &str) -> Result<(), ServerError> {
        database.write(|db| {
            db.execute("INSERT INTO usage VALUES (?, 1, 1)", [owner])?;
            Ok(())
        })
    }

    fn owners(database: &Database) -> i64 {
        let count =
            database.read(|db| db.query_row("SELECT COUNT(*) FROM usage", [], |row| row.get(0)));
        count.expect("readable")
    }

    #[test]
    fn a_change_is_made_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = Database::open(&folder.path().join("server.db")).expect("opens");
        add_usage(&database, "alice").expect("writable");
        let failed: Result<(), _> = database.write(|db| {
            db.execute("DELETE FROM usage", [])?;
            Err(ServerError::Internal)
        });
        assert!(failed.is_err());
        assert!(add_usage(&database, "alice").is_err(), "there already");
        assert_eq!(owners(&database), 1);
    }

    #[test]
    fn the_log_is_empty_after_scrubbing_unless_another_program_reads() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("server.db");
        let database = Database::open(&path).expect("opens");
        add_usage(&database, "alice").expect("writable");
        let other = open_reader(&path).expect("opens");
        let begin = "BEGIN; SELECT * FROM usage";
        other.execute_batch(begin).expect("readable");
        add_usage(&database, "bob").expect("writable");
        database.scrub().expect("no failure");
        assert!(database.log_bytes() > 0 && database.unscrubbed.load(Ordering::Relaxed));
        other.execute_batch("COMMIT").expect("it reads no more");
        database.scrub_if_needed().expect("no failure");
        assert!(database.log_bytes() == 0 && !database.unscrubbed.load(Ordering::Relaxed));
        assert_eq!(owners(&database), 2);
    }

    #[test]
    fn a_database_is_read_where_nothing_can_be_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("100% of #1?.db");
        let database = Database::open(&path).expect("opens");
        add_usage(&database, "alice").expect("writable");
        drop(database);
        // In the way of the files that SQLite would make, for every user.
        for end in ["-wal", "-shm"] {
            fs::create_dir(beside(&path, end)).expect("made");
        }
        let database = Database::open_read_only(&path).expect("opens");
        assert_eq!(owners(&database), 1);
        let refused = add_usage(&database, "bob");
        assert!(matches!(refused, Err(ServerError::StorageUnavailable)));
        let missing = Database::open_read_only(&folder.path().join("none.db"));
        assert_eq!(owners(&missing.expect("empty")), 0);
    }
}
