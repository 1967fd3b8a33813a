//! A circuit folder that is either the old one or the new one, never half of each.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::ModelError;

/// The files a circuit folder has; a folder with any other is not ours to replace.
const FILES: [&str; 6] = [
    "MODEL_CARD.md",
    "body.json",
    "manifest.json",
    "test-vectors.json",
    "vocabulary.txt",
    "weights.safetensors",
];

/// A folder being written beside its destination; removed when dropped before [`Staging::publish`].
#[derive(Debug)]
pub(crate) struct Staging {
    folder: PathBuf,
    destination: PathBuf,
}

impl Staging {
    /// Makes the temporary folder, so that an unusable destination is noticed before any work.
    ///
    /// # Errors
    /// A destination that cannot be written, or that holds something else than a circuit.
    pub(crate) fn new(destination: &Path) -> Result<Self, ModelError> {
        let name = destination.file_name().ok_or_else(|| ModelError::Output {
            path: destination.to_owned(),
            reason: "does not end in a folder's name".to_owned(),
        })?;
        check_replaceable(destination)?;
        let parent = destination.parent().unwrap_or(Path::new(""));
        if !parent.as_os_str().is_empty() {
            fs::create_dir_all(parent).map_err(|source| ModelError::File {
                action: "create",
                path: parent.to_owned(),
                source,
            })?;
        }
        let hidden = format!(".{}.new-{}", name.to_string_lossy(), std::process::id());
        let folder = parent.join(hidden);
        fs::create_dir(&folder).map_err(|source| ModelError::File {
            action: "create",
            path: folder.clone(),
            source,
        })?;
        Ok(Self {
            folder,
            destination: destination.to_owned(),
        })
    }

    /// Where to write.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes one file into the folder.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), ModelError> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(|source| ModelError::File {
            action: "write",
            path,
            source,
        })
    }

    /// Puts the folder in its place. The old one is moved aside first and back if that fails.
    ///
    /// # Errors
    /// A folder that cannot be moved.
    pub(crate) fn publish(self) -> Result<(), ModelError> {
        let failed = |source| ModelError::File {
            action: "replace",
            path: self.destination.clone(),
            source,
        };
        if !self.destination.exists() {
            return fs::rename(&self.folder, &self.destination).map_err(failed);
        }
        let old = self
            .folder
            .with_extension(format!("old-{}", std::process::id()));
        fs::rename(&self.destination, &old).map_err(failed)?;
        if let Err(source) = fs::rename(&self.folder, &self.destination) {
            // The first error is the one to report.
            let _ = fs::rename(&old, &self.destination);
            return Err(failed(source));
        }
        fs::remove_dir_all(&old).map_err(|source| ModelError::File {
            action: "remove",
            path: old,
            source,
        })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Gone already when it was published; else what is left over is hidden and harmless.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn check_replaceable(destination: &Path) -> Result<(), ModelError> {
    if !destination.exists() {
        return Ok(());
    }
    let entries = fs::read_dir(destination).map_err(|source| ModelError::File {
        action: "list",
        path: destination.to_owned(),
        source,
    })?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !FILES.iter().any(|file| name == *file) {
            return Err(ModelError::Output {
                path: destination.to_owned(),
                reason: format!("holds {name:?}, which is no part of a circuit"),
            });
        }
    }
    Ok(())
}
