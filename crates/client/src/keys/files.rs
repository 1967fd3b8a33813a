//! Reading and writing key files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::ClientError;

/// Names of files that are being written begin with this.
pub(super) const UNFINISHED: &str = ".unfinished-";

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

/// Replaces a file, or makes it: readers see the old content or the new, whatever happens meanwhile.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), ClientError> {
    let folder = path.parent().unwrap_or(path);
    let write = || {
        // Temporary files are for the owner's eyes only.
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map_err(fault("write", path))?;
    sync_folder(folder)
}

/// Overwrites a file with zeros, then removes it; `false` if there was none.
///
/// Where writing in place is what the file system does, the bytes are gone from the disk. A file system that
/// copies on write or keeps snapshots, a disk that moves worn blocks, and backups may keep them.
pub(super) fn shred(path: &Path) -> Result<bool, ClientError> {
    let overwrite = || {
        let mut file = OpenOptions::new().write(true).open(path)?;
        let length = file.metadata()?.len();
        io::copy(&mut io::repeat(0).take(length), &mut file)?;
        file.sync_all()
    };
    match overwrite() {
        Ok(()) => remove(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(fault("overwrite", path)(error)),
    }
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

/// Reads at most so many bytes of a file, or of a pipe. The memory is overwritten when dropped.
pub(super) fn read_stream(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    let file = File::open(path).map_err(fault("read", path))?;
    file.take(most as u64)
        .read_to_end(&mut bytes)
        .map_err(fault("read", path))?;
    Ok(bytes)
}

/// Reads a file that nobody but its owner may read.
pub(super) fn read_private(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    let file = open(path)?;
    let metadata = file.metadata().map_err(fault("read", path))?;
    match mode(&metadata) {
        Some(mode) if mode & 0o077 != 0 => Err(ClientError::ExposedKey {
            path: path.to_owned(),
            mode,
        }),
        _ => read_file(file, path, limit),
    }
}

/// A file's permission bits, where files have any.
#[cfg(unix)]
pub(super) fn mode(metadata: &fs::Metadata) -> Option<u32> {
    Some(std::os::unix::fs::MetadataExt::mode(metadata) & 0o777)
}

/// A file's permission bits, where files have any.
#[cfg(not(unix))]
pub(super) fn mode(_: &fs::Metadata) -> Option<u32> {
    None
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
