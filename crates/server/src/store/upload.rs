//! A key on its way in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::sync::OwnedSemaphorePermit;

use crate::error::ServerError;
use crate::store::directory;

/// A temporary file that grows as the body arrives, and vanishes unless it is put in place.
#[derive(Debug)]
pub(crate) struct Upload {
    file: File,
    path: TempPath,
    _place: OwnedSemaphorePermit,
}

impl Upload {
    /// An empty file that only this user can read, as temporary files are.
    pub(super) fn new(folder: PathBuf, place: OwnedSemaphorePermit) -> io::Result<Self> {
        let (file, path) = tempfile::Builder::new()
            .prefix("key-")
            .tempfile_in(folder)?
            .into_parts();
        Ok(Self {
            file: File::from_std(file),
            path,
            _place: place,
        })
    }

    /// Adds bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), ServerError> {
        let written = self.file.write_all(bytes).await;
        written.map_err(|error| ServerError::storage("writing an upload", &error))
    }

    /// Waits until all bytes are in the file and durable.
    pub(crate) async fn sync(&mut self) -> Result<(), ServerError> {
        let flushed = self.file.flush().await;
        let synced = match flushed {
            Ok(()) => self.file.sync_all().await,
            error => error,
        };
        synced.map_err(|error| ServerError::storage("writing an upload", &error))
    }

    /// What was written.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        fs::read(&self.path)
    }

    /// Makes it visible under this name, in one step.
    pub(super) fn persist(self, folder: &Path, name: &str) -> io::Result<()> {
        self.path
            .persist(folder.join(name))
            .map_err(|error| error.error)?;
        directory::sync(folder)
    }
}
