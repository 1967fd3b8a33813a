//! Making keys.

use std::fs;
use std::sync::Arc;

use cipherformer_circuit::ParameterSet;
use cipherformer_fhe::{SecretKey, SeededEvaluationKey};

use super::files::{self, UNFINISHED, fault};
use super::pair::{Pair, SEALED};
use super::passphrase::Passphrase;
use super::{KeyHome, Keys};
use crate::error::ClientError;
use crate::observer::{Activity, Observer};

impl KeyHome {
    /// Makes the first keys of a set; the caller holds the lock and has seen that there are none.
    pub(super) fn make_first(
        &self,
        parameters: &'static ParameterSet,
        observer: &dyn Observer,
    ) -> Result<Keys, ClientError> {
        let pair = self.pair(parameters);
        let passphrase = match self.protect_new {
            true => Some(self.asked.choose(&pair.file(SEALED))?),
            false => None,
        };
        self.make(parameters, &pair, passphrase.as_ref(), observer)
    }

    /// Makes keys in a folder where none are; the caller holds the lock.
    pub(super) fn make(
        &self,
        parameters: &'static ParameterSet,
        pair: &Pair,
        passphrase: Option<&Passphrase>,
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
        let making = Pair(unfinished.path().to_owned());
        let record = making.write(&secret, &evaluation, passphrase, self.work_factor)?;
        // Fails if there is anything in the target, so that no key is overwritten.
        fs::rename(unfinished.path(), &pair.0).map_err(fault("create", &pair.0))?;
        let _ = unfinished.keep();
        files::sync_folder(&self.keys_folder())?;
        observer.on(Activity::Idle);
        Ok(Keys {
            folder: pair.0.clone(),
            record,
            secret,
            evaluation,
        })
    }

    /// A folder for keys in the making; destroys what an interrupted process left behind.
    fn unfinished_folder(
        &self,
        parameters: &ParameterSet,
    ) -> Result<tempfile::TempDir, ClientError> {
        let keys = self.keys_folder();
        let prefix = format!("{UNFINISHED}{}-", parameters.name);
        let entries = fs::read_dir(&keys).map_err(fault("read", &keys))?;
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                let _ = Pair(entry.path()).destroy();
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
}
