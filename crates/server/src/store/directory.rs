//! The data directory: its folders, its lock, the rights on it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use cipherformer_circuit::ParameterSet;

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
        if directory.writable()
            && let Err(error) = directory.prepare(sets)
        {
            tracing::warn!(%error, "the data directory cannot be prepared: no key can be registered");
        }
        Ok(directory)
    }

    /// Whether this server may write.
    pub(super) fn writable(&self) -> bool {
        self.lock.is_some()
    }

    /// Where uploads are written.
    pub(super) fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// Where the complete keys of a parameter set are.
    pub(super) fn keys(&self, parameters: &ParameterSet) -> PathBuf {
        self.root.join("keys").join(parameters.name)
    }

    fn prepare(&self, sets: &[&ParameterSet]) -> io::Result<()> {
        let keys = self.root.join("keys");
        for set in sets {
            make_private(&keys.join(set.name))?;
        }
        sync(&keys)?;
        make_private(&self.incoming())?;
        for item in fs::read_dir(self.incoming())? {
            let path = item?.path();
            fs::remove_file(&path)?;
            tracing::info!("removed an upload that was interrupted");
        }
        sync(&self.root)
    }
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

fn lock(path: &Path) -> Result<File, TryLockError> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}
