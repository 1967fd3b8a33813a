//! What the database says: registrations, sessions, usage. Read beside a server that may be writing.

use std::path::Path;

use cipherformer_fhe::type_name;
use rusqlite::{Connection, OpenFlags, Row};
use serde::Serialize;

use super::Finding;
use super::uniform::Uniformity;

const FILE: &str = "server.db";
/// The type that every stored session names.
const STATE_TYPE: &str = "cipherformer::SessionState";
/// The tables' version that this program reads.
const VERSION: i64 = 1;
/// Of a session's id, so many digits are shown: who knows all of it can go on with the session.
const SHOWN_DIGITS: usize = 8;
/// Checksum, versions and names of a session's state come before its ciphertexts, and take less than this.
const STATE_HEADER: usize = 512;

/// What the database says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tables {
    /// Whose each key is.
    pub registrations: Vec<RegistrationLook>,
    /// Texts that go on.
    pub sessions: Vec<SessionLook>,
    /// How much owners have used.
    pub usage: Vec<UsageLook>,
}

/// A key's registration.
#[derive(Clone, Debug, Serialize)]
pub struct RegistrationLook {
    /// Whose it is; empty for whoever has no name.
    pub owner: String,
    /// The key.
    pub key: String,
    /// Its parameter set.
    pub parameter_set: String,
    /// Its size.
    pub bytes: u64,
    /// When it was registered, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it was last used, in milliseconds since 1970.
    pub last_used_ms: i64,
}

/// A session.
#[derive(Clone, Debug, Serialize)]
pub struct SessionLook {
    /// The first digits of its id.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// The key that its ciphertexts are under.
    pub key: String,
    /// Its circuit.
    pub circuit: String,
    /// How many tokens it has had.
    pub position: u64,
    /// When it was last used, in milliseconds since 1970.
    pub last_used_ms: i64,
    /// Size of its state: encrypted keys and values of attention.
    pub state_bytes: u64,
    /// Type that the state's header names.
    pub state_type: Option<String>,
    /// Whether the state's ciphertexts look random.
    pub uniformity: Uniformity,
    /// Size of the last answer, encrypted, if it is kept.
    pub last_answer_bytes: Option<u64>,
}

/// What an owner used on the last day.
#[derive(Clone, Debug, Serialize)]
pub struct UsageLook {
    /// Who.
    pub owner: String,
    /// The day, as days since 1970.
    pub day: i64,
    /// How many positions were evaluated.
    pub evaluations: u64,
}

/// Reads all tables of the database in this folder; nothing if there is none.
pub(super) fn look(root: &Path, findings: &mut Vec<Finding>) -> Tables {
    let path = root.join(FILE);
    if !path.exists() {
        return Tables::default();
    }
    let tables = open(&path).and_then(|db| tables(&db));
    let tables = tables.unwrap_or_else(|error| {
        findings.push(finding(format!("it cannot be read: {error}")));
        Tables::default()
    });
    let odd = tables.sessions.iter().filter_map(odd);
    findings.extend(odd.map(finding));
    tables
}

fn finding(what: String) -> Finding {
    Finding {
        file: FILE.into(),
        what,
    }
}

/// What is wrong with a session.
fn odd(session: &SessionLook) -> Option<String> {
    let id = &session.id;
    if session.state_type.as_deref() != Some(STATE_TYPE) {
        return Some(format!("session {id}… is not of the type {STATE_TYPE}"));
    }
    let random = session.uniformity.looks_random();
    (!random).then(|| format!("the ciphertexts of session {id}… do not look random"))
}

/// Without a log, nobody is writing, and nothing need be made beside the file to read it.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let log = path.with_file_name("server.db-wal");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if log.exists() {
        return Connection::open_with_flags(path, flags);
    }
    let escaped: String = path.to_string_lossy().chars().map(escape).collect();
    let uri = format!("file:{escaped}?immutable=1");
    Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
}

/// What has a meaning in a URI.
fn escape(c: char) -> String {
    match c {
        '%' | '?' | '#' => format!("%{:02x}", c as u32),
        c => c.to_string(),
    }
}

fn tables(db: &Connection) -> rusqlite::Result<Tables> {
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != VERSION {
        return Err(rusqlite::Error::InvalidParameterName(format!(
            "its tables are of version {version}, this program reads {VERSION}"
        )));
    }
    Ok(Tables {
        registrations: all(
            db,
            "SELECT owner, id, parameter_set, bytes, created, last_used FROM keys ORDER BY owner, id",
            registration,
        )?,
        sessions: all(
            db,
            "SELECT id, owner, key, circuit, position, last_used, state, length(last) FROM sessions
             ORDER BY owner, key, last_used",
            session,
        )?,
        usage: all(
            db,
            "SELECT owner, day, evaluations FROM usage ORDER BY owner",
            usage,
        )?,
    })
}

fn all<T>(
    db: &Connection,
    question: &str,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare(question)?.query_map([], read)?.collect()
}

fn registration(row: &Row<'_>) -> rusqlite::Result<RegistrationLook> {
    Ok(RegistrationLook {
        owner: row.get(0)?,
        key: row.get(1)?,
        parameter_set: row.get(2)?,
        bytes: row.get(3)?,
        created_ms: row.get(4)?,
        last_used_ms: row.get(5)?,
    })
}

fn session(row: &Row<'_>) -> rusqlite::Result<SessionLook> {
    let id: String = row.get(0)?;
    let state: Vec<u8> = row.get(6)?;
    // Coefficients of 64 bits are all that stands at the end. Packing leaves 0 in their lowest bits, FFTs and a factor N.
    let ciphertexts = state.get(STATE_HEADER..).unwrap_or_default();
    let upper = ciphertexts.rchunks_exact(8).flat_map(|word| &word[4..]);
    Ok(SessionLook {
        id: id.chars().take(SHOWN_DIGITS).collect(),
        owner: row.get(1)?,
        key: row.get(2)?,
        circuit: row.get(3)?,
        position: row.get(4)?,
        last_used_ms: row.get(5)?,
        state_bytes: state.len() as u64,
        state_type: type_name(&state).map(str::to_owned),
        uniformity: Uniformity::of(upper.copied()),
        last_answer_bytes: row.get(7)?,
    })
}

fn usage(row: &Row<'_>) -> rusqlite::Result<UsageLook> {
    Ok(UsageLook {
        owner: row.get(0)?,
        day: row.get(1)?,
        evaluations: row.get(2)?,
    })
}
