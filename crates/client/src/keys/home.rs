//! The folder that holds a user's keys.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cipherformer_circuit::ParameterSet;
use cipherformer_fhe::{SecretKey, SeededEvaluationKey, content_id, size_limit};
use cipherformer_protocol::KeyId;

use super::files::{self, damaged, fault};
use super::{KeyRecord, Keys};
use crate::error::ClientError;
use crate::observer::{Activity, Observer};

const SECRET: &str = "secret.key";
const EVALUATION: &str = "evaluation.key";
const RECORD: &str = "key.json";

/// Stored secret keys and records are a few kilobytes.
const SMALL_FILE_LIMIT: usize = 1 << 16;

/// The folder that holds a user's keys, one pair per parameter set.
#[derive(Clone, Debug)]
pub struct KeyHome {
    folder: PathBuf,
    insecure_allowed: bool,
}

impl KeyHome {
    /// Keys under this folder, which is made when the first key is.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            insecure_allowed: false,
        }
    }

    /// Accepts parameter sets without security, which only test builds have.
    pub fn allow_insecure(mut self) -> Self {
        self.insecure_allowed = true;
        self
    }

    /// Where the keys of this parameter set are, or would be.
    pub fn folder(&self, parameters: &ParameterSet) -> PathBuf {
        self.keys_folder().join(parameters.name)
    }

    /// Reads and checks the keys of this parameter set, if there are any: 31 or 40 MB.
    ///
    /// # Errors
    /// Files that cannot be read, are damaged or missing, or that others may read.
    pub fn load(&self, parameters: &'static ParameterSet) -> Result<Option<Keys>, ClientError> {
        let folder = self.folder(parameters);
        if !any_file(&folder)? {
            return Ok(None);
        }
        let record = load_record(&folder.join(RECORD), parameters)?;
        let secret = load_secret(&folder.join(SECRET), parameters, &record)?;
        let evaluation = load_evaluation(&folder.join(EVALUATION), parameters, &record)?;
        Ok(Some(Keys {
            folder,
            record,
            secret,
            evaluation,
        }))
    }

    /// Makes new keys: a few seconds on all cores, and 31 or 40 MB of disk.
    ///
    /// # Errors
    /// Keys that are there already, or a folder that cannot be written.
    pub fn create(
        &self,
        parameters: &'static ParameterSet,
        observer: &dyn Observer,
    ) -> Result<Keys, ClientError> {
        let _lock = self.lock(parameters)?;
        let folder = self.folder(parameters);
        if any_file(&folder)? {
            return Err(ClientError::KeysExist { folder });
        }
        self.make(parameters, observer)
    }

    /// The keys there are, or new ones. Two processes that ask at once get the same.
    ///
    /// # Errors
    /// As [`KeyHome::load`] and [`KeyHome::create`]; damaged keys are never replaced.
    pub fn load_or_create(
        &self,
        parameters: &'static ParameterSet,
        observer: &dyn Observer,
    ) -> Result<Keys, ClientError> {
        if let Some(keys) = self.load(parameters)? {
            return Ok(keys);
        }
        let _lock = self.lock(parameters)?;
        match self.load(parameters)? {
            Some(keys) => Ok(keys), // another process made them while this one waited
            None => self.make(parameters, observer),
        }
    }

    /// Deletes the keys of this parameter set, damaged or not; returns the files that are gone.
    ///
    /// # Errors
    /// No keys, or files that cannot be deleted.
    pub fn delete(&self, parameters: &'static ParameterSet) -> Result<Vec<PathBuf>, ClientError> {
        let folder = self.folder(parameters);
        if !any_file(&folder)? {
            return Err(ClientError::NoKeys { folder });
        }
        let _lock = self.lock(parameters)?;
        let mut gone = Vec::new();
        // The record first: without it, readers do not take the rest for damaged keys.
        for path in [RECORD, SECRET, EVALUATION].map(|name| folder.join(name)) {
            if files::remove(&path)? {
                gone.push(path);
            }
        }
        // It stays if the user put something else there.
        let _ = fs::remove_dir(&folder);
        files::sync_folder(&self.keys_folder())?;
        Ok(gone)
    }

    /// Makes keys; the caller holds the lock and has seen that there are none.
    fn make(
        &self,
        parameters: &'static ParameterSet,
        observer: &dyn Observer,
    ) -> Result<Keys, ClientError> {
        if parameters.security_bits == 0 && !self.insecure_allowed {
            return Err(ClientError::InsecureParameters {
                name: parameters.name,
            });
        }
        let unfinished = self.unfinished_folder(parameters)?;
        let step = |part| observer.on(Activity::MakingKeys { part });
        step("secret key");
        let secret = SecretKey::generate(parameters);
        let evaluation: Arc<[u8]> = SeededEvaluationKey::generate(&secret, step)
            .to_bytes()
            .into();
        let record = write_all(unfinished.path(), &secret, &evaluation)?;
        let folder = self.folder(parameters);
        // Fails if there is anything in the target, so that no key is overwritten.
        fs::rename(unfinished.path(), &folder).map_err(fault("create", &folder))?;
        let _ = unfinished.keep();
        files::sync_folder(&self.keys_folder())?;
        observer.on(Activity::Idle);
        Ok(Keys {
            folder,
            record,
            secret,
            evaluation,
        })
    }

    /// A folder for keys in the making; removes what an interrupted process left behind.
    fn unfinished_folder(
        &self,
        parameters: &ParameterSet,
    ) -> Result<tempfile::TempDir, ClientError> {
        let keys = self.keys_folder();
        let prefix = format!(".unfinished-{}-", parameters.name);
        let entries = fs::read_dir(&keys).map_err(fault("read", &keys))?;
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        builder
            .tempdir_in(&keys)
            .map_err(fault("create a folder in", &keys))
    }

    /// Keeps other processes from making or deleting keys of this set until dropped.
    fn lock(&self, parameters: &ParameterSet) -> Result<File, ClientError> {
        let keys = self.keys_folder();
        files::make_folder(&keys)?;
        let path = keys.join(format!("{}.lock", parameters.name));
        let lock = || {
            let file = File::create(&path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(fault("lock", &path))
    }

    fn keys_folder(&self) -> PathBuf {
        self.folder.join("keys")
    }
}

fn any_file(folder: &Path) -> Result<bool, ClientError> {
    for path in [SECRET, EVALUATION, RECORD].map(|name| folder.join(name)) {
        if path.try_exists().map_err(fault("read", &path))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn write_all(
    folder: &Path,
    secret: &SecretKey,
    evaluation: &[u8],
) -> Result<KeyRecord, ClientError> {
    let secret_bytes = secret.to_bytes();
    let record = KeyRecord {
        id: KeyId::of(evaluation),
        parameter_set: secret.parameters().name.to_owned(),
        secret_key_bytes: secret_bytes.len() as u64,
        secret_key_sha256: content_id(&secret_bytes),
        evaluation_key_bytes: evaluation.len() as u64,
        created: files::now(),
    };
    let mut json = serde_json::to_vec_pretty(&record).expect("plain data");
    json.push(b'\n');
    files::write_new(&folder.join(EVALUATION), evaluation)?;
    files::write_new(&folder.join(RECORD), &json)?;
    files::write_new(&folder.join(SECRET), &secret_bytes)?;
    files::sync_folder(folder)?;
    Ok(record)
}

fn load_record(path: &Path, parameters: &ParameterSet) -> Result<KeyRecord, ClientError> {
    let json = files::read(path, SMALL_FILE_LIMIT)?;
    let record: KeyRecord =
        serde_json::from_slice(&json).map_err(|error| damaged(path, error.to_string()))?;
    if record.parameter_set != parameters.name {
        return Err(damaged(path, "it names another parameter set"));
    }
    Ok(record)
}

fn load_secret(
    path: &Path,
    parameters: &'static ParameterSet,
    record: &KeyRecord,
) -> Result<SecretKey, ClientError> {
    let bytes = files::read_private(path, SMALL_FILE_LIMIT)?;
    let secret = SecretKey::from_bytes(&bytes).map_err(|error| damaged(path, error.to_string()))?;
    if secret.parameters() != parameters {
        return Err(damaged(path, "it is of another parameter set"));
    }
    if content_id(&bytes) != record.secret_key_sha256 {
        return Err(damaged(path, format!("it is not the key of {RECORD}")));
    }
    Ok(secret)
}

fn load_evaluation(
    path: &Path,
    parameters: &ParameterSet,
    record: &KeyRecord,
) -> Result<Arc<[u8]>, ClientError> {
    let bytes = files::read(path, size_limit(parameters.evaluation_key_bytes()))?;
    if KeyId::of(&bytes) != record.id {
        return Err(damaged(path, format!("it is not the key of {RECORD}")));
    }
    Ok(bytes.as_slice().into())
}

#[cfg(all(test, unix))]
mod tests;
