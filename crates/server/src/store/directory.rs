//! The data directory: its folders, its lock, the rights on it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cipherformer_circuit::ParameterSet;
use cipherformer_protocol::KeyId;

use crate::error::StartError;

/// An open data directory.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    /// Released by the system when the process ends, however it ends. Without it, another server may be
    /// using the directory: nothing is written.
    lock: Option<File>,
}

impl Directory {
    /// Makes what is missing, takes the lock, and removes what interrupted uploads left.
    pub(super) fn open(root: &Path, sets: &[&ParameterSet]) -> Result<Self, StartError> {
        let unusable = |source| StartError::DataDir {
            path: root.to_owned(),
            source,
        };
        make_private(root).map_err(unusable)?;
        let lock = match lock(&root.join("lock")) {
            Ok(lock) => Some(lock),
            Err(TryLockError::WouldBlock) => {
                return Err(StartError::DataDirInUse {
                    path: root.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, "the data directory cannot be written: no key can be registered");
                None
            }
        };
        let directory = Self {
            root: root.to_owned(),
            lock,
        };
        if directory.is_writable()
            && let Err(error) = directory.prepare(sets)
        {
            tracing::warn!(%error, "the data directory cannot be prepared: no key can be registered");
        }
        Ok(directory)
    }

    /// The directory itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether this server may write.
    pub(super) fn is_writable(&self) -> bool {
        self.lock.is_some()
    }

    /// The database.
    pub(super) fn database(&self) -> PathBuf {
        self.root.join("server.db")
    }

    /// Where uploads are written.
    pub(super) fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// Where the complete keys of a parameter set are.
    pub(super) fn keys(&self, parameter_set: &str) -> PathBuf {
        self.root.join("keys").join(parameter_set)
    }

    /// A complete key.
    pub(super) fn key(&self, id: &KeyId, parameter_set: &str) -> PathBuf {
        self.keys(parameter_set).join(id.to_string())
    }

    /// Every file in the folders of keys.
    pub(super) fn key_files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for folder in list(&self.root.join("keys"))? {
            if folder.is_dir() {
                files.extend(list(&folder)?);
            }
        }
        Ok(files)
    }

    /// What was set aside: damaged keys and databases.
    pub(super) fn set_aside(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = self.key_files()?;
        files.extend(list(&self.root)?);
        files.retain(|path| is_aside(path));
        Ok(files)
    }

    fn prepare(&self, sets: &[&ParameterSet]) -> io::Result<()> {
        let keys = self.root.join("keys");
        for set in sets {
            make_private(&keys.join(set.name))?;
        }
        sync(&keys)?;
        make_private(&self.incoming())?;
        for path in list(&self.incoming())? {
            fs::remove_file(&path)?;
            tracing::info!("removed an upload that was interrupted");
        }
        sync(&self.root)
    }
}

/// Whether a file was found damaged.
pub(super) fn is_aside(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.contains(".damaged")
}

/// How long ago a file was written, or set aside.
pub(super) fn age(path: &Path) -> io::Result<Duration> {
    let written = fs::metadata(path)?.modified()?;
    // A clock that was set back is no reason to delete anything.
    Ok(SystemTime::now()
        .duration_since(written)
        .unwrap_or_default())
}

/// Overwrites a file with zeros and removes it. Where a file system or a disk writes them is its own affair.
pub(super) fn shred(path: &Path) -> io::Result<()> {
    if let Err(error) = overwrite(path) {
        tracing::warn!(%error, "a file is removed without being overwritten");
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn overwrite(path: &Path) -> io::Result<()> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let mut file = match File::options().write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let mut left = file.metadata()?.len();
    while left > 0 {
        let size = left.min(ZEROS.len() as u64);
        file.write_all(&ZEROS[..size as usize])?;
        left -= size;
    }
    file.sync_all()
}

/// Makes a folder, and those above it, that only this user can enter; one that is there is left as it is.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    if folder.is_dir() {
        Ok(())
    } else {
        Err(ErrorKind::NotADirectory.into())
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    // Elsewhere folders cannot be opened as files; the system sees to it itself.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|item| Ok(item?.path())).collect()
}

fn lock(path: &Path) -> Result<File, TryLockError> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}
