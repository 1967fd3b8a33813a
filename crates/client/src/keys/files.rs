//! Reading and writing key files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use crate::error::ClientError;

/// Makes an error of an I/O error: `.map_err(fault("read", path))`.
pub(super) fn fault(action: &'static str, path: &Path) -> impl Fn(io::Error) -> ClientError {
    move |source| ClientError::File {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Makes a folder and its parents, for the owner's eyes only.
pub(super) fn make_folder(path: &Path) -> Result<(), ClientError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(fault("create", path))
}

/// Writes a new file for the owner's eyes only, through to the disk.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), ClientError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let mut file = options.open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(fault("write", path))
}

/// Writes a folder's list of names through to the disk.
pub(super) fn sync_folder(path: &Path) -> Result<(), ClientError> {
    if cfg!(unix) {
        let sync = || File::open(path)?.sync_all();
        sync().map_err(fault("write", path))?;
    }
    Ok(())
}

/// Reads a file of at most `limit` bytes. The memory is overwritten when dropped.
pub(super) fn read(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    read_file(open(path)?, path, limit)
}

/// Reads a file that nobody but its owner may read.
pub(super) fn read_private(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    let file = open(path)?;
    #[cfg(unix)]
    {
        let metadata = file.metadata().map_err(fault("read", path))?;
        let mode = std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777;
        if mode & 0o077 != 0 {
            return Err(ClientError::ExposedKey {
                path: path.to_owned(),
                mode,
            });
        }
    }
    read_file(file, path, limit)
}

/// Removes a file; `false` if there was none.
pub(super) fn remove(path: &Path) -> Result<bool, ClientError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(fault("delete", path)(error)),
    }
}

pub(super) fn damaged(path: &Path, reason: impl ToString) -> ClientError {
    ClientError::DamagedKey {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Now, as RFC 3339 in UTC, to the second.
pub(super) fn now() -> String {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    rfc3339(since_epoch.map_or(0, |time| time.as_secs()))
}

fn open(path: &Path) -> Result<File, ClientError> {
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => damaged(path, "the file is missing"),
        _ => fault("read", path)(error),
    })
}

fn read_file(file: File, path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    let length = file.metadata().map_err(fault("read", path))?.len();
    if length > limit as u64 {
        return Err(damaged(path, format!("{length} bytes are too many")));
    }
    // Room for all of it and the end mark: growing would leave copies that nobody overwrites.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length as usize + 1));
    file.take(length)
        .read_to_end(&mut bytes)
        .map_err(fault("read", path))?;
    Ok(bytes)
}

/// Days to a date as in H. Hinnant, "chrono-compatible low-level date algorithms": years begin in
/// March, so that the leap day is the last.
fn rfc3339(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(rfc3339(1_767_225_599), "2025-12-31T23:59:59Z");
    }
}
