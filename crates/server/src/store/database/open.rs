//! Opening the database: tables, settings, checks, and what to do with a damaged one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

/// The version of the tables below, as the database itself knows it.
const VERSION: i64 = 1;

/// An owner without a name is the empty text, times are milliseconds since 1970. A session's key need not be
/// registered: it may have been damaged, and its client will register it again.
const SCHEMA: &str = "
    CREATE TABLE keys (
        owner TEXT NOT NULL,
        id TEXT NOT NULL,
        parameter_set TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        created INTEGER NOT NULL,
        last_used INTEGER NOT NULL,
        PRIMARY KEY (owner, id)
    ) STRICT;
    CREATE INDEX keys_by_id ON keys (id);
    CREATE TABLE sessions (
        id TEXT NOT NULL PRIMARY KEY,
        owner TEXT NOT NULL,
        key TEXT NOT NULL,
        circuit TEXT NOT NULL,
        digest TEXT NOT NULL,
        position INTEGER NOT NULL,
        last_used INTEGER NOT NULL,
        checksum BLOB NOT NULL,
        last BLOB,
        state BLOB NOT NULL
    ) STRICT;
    CREATE INDEX sessions_by_key ON sessions (owner, key);
    CREATE TABLE usage (
        owner TEXT NOT NULL PRIMARY KEY,
        day INTEGER NOT NULL,
        evaluations INTEGER NOT NULL
    ) STRICT;
";

/// Bytes of a page; sessions take dozens.
const PAGE: i64 = 8192;
/// Pages of the log before it is written back.
const LOG_PAGES: i64 = 512;
/// How long to wait for another program that reads.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum OpenError {
    #[error("server.db is damaged: {0}")]
    Damaged(String),
    #[error("server.db was written by a newer version of this program ({0})")]
    Newer(i64),
    #[error("{0}")]
    Unusable(#[from] io::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Unusable(io::Error::other(error)),
        }
    }
}

/// A connection that may write; the database is made if missing, and checked.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, OpenError> {
    make_private_file(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut writer = Connection::open_with_flags(path, flags)?;
    prepare(&writer)?;
    check(&writer)?;
    migrate(&mut writer)?;
    Ok(writer)
}

/// A connection that reads only.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags(path, flags)?;
    reader.busy_timeout(PATIENCE)?;
    // Only now is it really opened.
    reader.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(reader)
}

/// The same of a database that nobody can change, without its log.
pub(super) fn open_immutable(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let path = path.to_string_lossy();
    let path = path.replace('%', "%25").replace('?', "%3f");
    let path = path.replace('#', "%23");
    Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)
}

/// A database of nothing.
pub(super) fn empty() -> rusqlite::Result<Connection> {
    let empty = Connection::open_in_memory()?;
    empty.execute_batch(SCHEMA)?;
    Ok(empty)
}

/// Moves a damaged database out of the way, with its log; says where to.
pub(in crate::store) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut numbers = 1..;
    let aside = numbers
        .find_map(|number: u32| {
            let aside = beside(path, &format!(".damaged-{number}"));
            (!aside.exists()).then_some(aside)
        })
        .expect("some number is free");
    fs::rename(path, &aside)?;
    for log in ["-wal", "-shm"] {
        let log_file = beside(path, log);
        if log_file.exists() {
            fs::rename(log_file, beside(&aside, log))?;
        }
    }
    Ok(aside)
}

fn prepare(db: &Connection) -> Result<(), OpenError> {
    db.busy_timeout(PATIENCE)?;
    // These two count only before the first table is made. The file shrinks as content is deleted, so that
    // its size is what it takes.
    db.pragma_update(None, "page_size", PAGE)?;
    db.pragma_update(None, "auto_vacuum", "FULL")?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    // The log is written back when it has so many pages, and shrinks to that again: 4 MB, some tokens of sessions.
    db.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES, |_| Ok(()))?;
    db.pragma_update_and_check(None, "journal_size_limit", LOG_PAGES * PAGE, |_| Ok(()))?;
    db.pragma_update(None, "trusted_schema", "OFF")?;
    Ok(())
}

fn check(db: &Connection) -> Result<(), OpenError> {
    let found: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match found.as_str() {
        "ok" => Ok(()),
        _ => Err(OpenError::Damaged(found)),
    }
}

fn migrate(db: &mut Connection) -> Result<(), OpenError> {
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        VERSION => Ok(()),
        0 => {
            let transaction = db.transaction()?;
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            Ok(transaction.commit()?)
        }
        other => Err(OpenError::Newer(other)),
    }
}

/// SQLite gives its log the rights that the database has.
fn make_private_file(path: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// The path with something at its end.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
