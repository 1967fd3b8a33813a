//! Which keys a home has registered with which servers, so that it can have all of them deleted there, even
//! those that it has no more itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cipherformer_protocol::KeyId;

use super::KeyHome;
use super::files::{self, fault};
use crate::error::ClientError;

/// Key ids by the servers' addresses.
pub(crate) type Registrations = BTreeMap<String, BTreeSet<KeyId>>;

/// Tens of thousands of keys.
const LIMIT: usize = 4 << 20;

impl KeyHome {
    /// Notes that a server has, or is about to get, a key.
    pub(crate) fn note(&self, server: &str, id: &KeyId) -> Result<(), ClientError> {
        if self.noted(server)?.contains(id) {
            return Ok(());
        }
        self.change(|all| {
            all.entry(server.to_owned()).or_default().insert(id.clone());
        })
    }

    /// Notes that a server has a key no more.
    pub(crate) fn strike(&self, server: &str, id: &KeyId) -> Result<(), ClientError> {
        if !self.noted(server)?.contains(id) {
            return Ok(());
        }
        self.change(|all| {
            if let Some(ids) = all.get_mut(server) {
                ids.remove(id);
            }
            all.retain(|_, ids| !ids.is_empty());
        })
    }

    /// The keys that a server may have.
    pub(crate) fn noted(&self, server: &str) -> Result<BTreeSet<KeyId>, ClientError> {
        let mut all = self.registrations()?;
        Ok(all.remove(server).unwrap_or_default())
    }

    /// All that was noted.
    pub(crate) fn registrations(&self) -> Result<Registrations, ClientError> {
        let path = self.registrations_file();
        if !path.try_exists().map_err(fault("read", &path))? {
            return Ok(Registrations::new());
        }
        let json = files::read(&path, LIMIT)?;
        serde_json::from_slice(&json).map_err(|error| ClientError::DamagedList {
            path,
            reason: error.to_string(),
        })
    }

    fn change(&self, change: impl FnOnce(&mut Registrations)) -> Result<(), ClientError> {
        let _lock = self.lock_by_name("registrations")?;
        let mut all = self.registrations()?;
        change(&mut all);
        let mut json = serde_json::to_vec_pretty(&all).expect("plain data");
        json.push(b'\n');
        files::replace(&self.registrations_file(), &json)
    }

    pub(super) fn registrations_file(&self) -> PathBuf {
        self.folder.join("registrations.json")
    }
}
