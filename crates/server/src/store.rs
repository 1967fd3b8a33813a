//! Evaluation keys on disk: `keys/PARAMETER_SET/ID.key`, named by the SHA-256 of their content.
//!
//! A key appears under its name only when it is whole and synced: it is written to a temporary file,
//! synced, renamed, and the folder synced. A file that no longer matches its name is set aside.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::parameters;
use cipherformer_protocol::KeyId;
use tempfile::NamedTempFile;

const TEMPORARY: &str = ".uploading-";

/// The key files of a data directory.
#[derive(Debug)]
pub(crate) struct KeyStore {
    root: PathBuf,
}

/// A stored key's description.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) parameters: &'static ParameterSet,
    pub(crate) bytes: u64,
}

impl KeyStore {
    /// Opens a data directory, making it if missing, and removes what unfinished uploads left.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let root = data_dir.join("keys");
        for set in parameters::ALL {
            let folder = root.join(set.name);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            for entry in folder.read_dir()? {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if name.starts_with(TEMPORARY) && fs::remove_file(&path).is_err() {
                    tracing::warn!(path = %path.display(), "cannot remove an unfinished upload");
                }
            }
        }
        Ok(Self { root })
    }

    /// Stores a key that was checked. Storing a known key again changes nothing.
    pub(crate) fn put(
        &self,
        id: &KeyId,
        parameters: &ParameterSet,
        bytes: &[u8],
    ) -> io::Result<()> {
        let folder = self.root.join(parameters.name);
        let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(&folder)?;
        write_synced(&mut file, bytes)?;
        file.persist(self.path(id, parameters))?;
        File::open(&folder)?.sync_all()
    }

    /// What is known of a key without reading it; `None` if it is not there.
    pub(crate) fn find(&self, id: &KeyId) -> Option<Stored> {
        parameters::ALL.iter().find_map(|set| {
            let metadata = fs::metadata(self.path(id, set)).ok()?;
            Some(Stored {
                parameters: set,
                bytes: metadata.len(),
            })
        })
    }

    /// A key's bytes. A file whose content is not what its name says is set aside, as if it were not
    /// there: the client will upload the key again.
    pub(crate) fn read(&self, id: &KeyId, parameters: &ParameterSet) -> io::Result<Option<Vec<u8>>> {
        let path = self.path(id, parameters);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if KeyId::of(&bytes) == *id {
            return Ok(Some(bytes));
        }
        let aside = path.with_extension("damaged");
        tracing::error!(path = %aside.display(), "a damaged key file was set aside");
        fs::rename(&path, &aside)?;
        Ok(None)
    }

    fn path(&self, id: &KeyId, parameters: &ParameterSet) -> PathBuf {
        self.root.join(parameters.name).join(format!("{id}.key"))
    }
}

fn write_synced(file: &mut NamedTempFile, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.as_file().sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use cipherformer_circuit::parameters::STANDARD_2048;

    use super::*;

    fn store() -> (tempfile::TempDir, KeyStore) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = KeyStore::open(folder.path()).expect("writable");
        (folder, store)
    }

    #[test]
    fn keys_survive_reopening_and_are_private() {
        let (folder, store) = store();
        let id = KeyId::of(b"key");
        assert!(store.find(&id).is_none());
        store.put(&id, &STANDARD_2048, b"key").expect("writable");
        store.put(&id, &STANDARD_2048, b"key").expect("idempotent");
        let store = KeyStore::open(folder.path()).expect("writable");
        let found = store.find(&id).expect("just stored");
        assert_eq!((found.parameters.name, found.bytes), (STANDARD_2048.name, 3));
        assert_eq!(store.read(&id, &STANDARD_2048).expect("readable"), Some(b"key".to_vec()));
        let path = store.path(&id, &STANDARD_2048);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().expect("a folder")), 0o700);
    }

    #[test]
    fn a_damaged_file_is_set_aside() {
        let (_folder, store) = store();
        let id = KeyId::of(b"key");
        store.put(&id, &STANDARD_2048, b"key").expect("writable");
        let path = store.path(&id, &STANDARD_2048);
        fs::write(&path, b"kex").expect("writable");
        assert_eq!(store.read(&id, &STANDARD_2048).expect("readable"), None);
        assert!(store.find(&id).is_none());
        assert_eq!(fs::read(path.with_extension("damaged")).expect("kept"), b"kex");
        store.put(&id, &STANDARD_2048, b"key").expect("writable");
        assert!(store.read(&id, &STANDARD_2048).expect("readable").is_some());
    }

    #[test]
    fn unfinished_uploads_are_removed_and_never_seen() {
        let (folder, store) = store();
        let left = folder.path().join("keys").join(STANDARD_2048.name).join(".uploading-x");
        fs::write(&left, b"half").expect("writable");
        assert!(store.find(&KeyId::of(b"half")).is_none());
        KeyStore::open(folder.path()).expect("writable");
        assert!(!left.exists());
    }
}
