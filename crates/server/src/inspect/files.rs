//! The files of a data directory, and what they are.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use super::{Finding, scan};

/// A file of the data directory.
#[derive(Clone, Debug, Serialize)]
pub struct StoredFile {
    /// Where it is, in the data directory.
    pub path: PathBuf,
    /// What it is.
    pub what: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Who may read and write it, in octal, where files have such bits.
    pub mode: Option<String>,
    /// Seconds since it was last written.
    pub age_seconds: Option<u64>,
}

/// Every file, in order of paths; each is searched for secret keys.
pub(super) fn all(root: &Path, findings: &mut Vec<Finding>) -> io::Result<Vec<StoredFile>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(root.join(&folder))? {
            let item = item?;
            let path = folder.join(item.file_name());
            let kind = item.file_type()?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                match look(root, &path, findings) {
                    Ok(file) => files.push(file),
                    // A running server finishes uploads and deletes keys meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => findings.push(Finding {
                        file: path,
                        what: format!("it cannot be read: {error}"),
                    }),
                }
            } else {
                let what = "it is neither a file nor a folder; this server makes no such thing";
                findings.push(Finding {
                    file: path,
                    what: what.to_owned(),
                });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn look(root: &Path, path: &Path, findings: &mut Vec<Finding>) -> io::Result<StoredFile> {
    let file = File::open(root.join(path))?;
    let metadata = file.metadata()?;
    for what in scan::secrets(file, metadata.len())? {
        findings.push(Finding {
            file: path.to_owned(),
            what,
        });
    }
    Ok(StoredFile {
        path: path.to_owned(),
        what: what(path),
        bytes: metadata.len(),
        mode: mode(&metadata),
        age_seconds: age(&metadata),
    })
}

/// What a file is, by its place.
fn what(path: &Path) -> &'static str {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let parts: Vec<&str> = parts.iter().map(|part| &**part).collect();
    match parts[..] {
        ["lock"] => "held by the server that uses the directory; empty",
        ["server.db"] => "the database: whose each key is, sessions, usage",
        ["server.db-wal"] => "the database's log: what was written last",
        ["server.db-shm"] => "an index of that log",
        [name] if name.starts_with("server.db.damaged") => "a damaged database, set aside",
        ["incoming", ..] => "part of an upload, not visible to anybody yet",
        ["keys", _, name] if name.ends_with(".damaged") => "a damaged evaluation key, set aside",
        ["keys", _, _] => "an evaluation key",
        _ => "unknown; this server does not write it",
    }
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> Option<String> {
    let mode = std::os::unix::fs::MetadataExt::mode(metadata) & 0o777;
    Some(format!("{mode:03o}"))
}

#[cfg(not(unix))]
fn mode(_: &Metadata) -> Option<String> {
    None
}

fn age(metadata: &Metadata) -> Option<u64> {
    let written = metadata.modified().ok()?;
    let age = SystemTime::now().duration_since(written).ok()?;
    Some(age.as_secs())
}
