//! The end of keys: rotation, revocation, and having a server forget a home.

use std::collections::BTreeSet;
use std::sync::Arc;

use cipherformer_circuit::ParameterSet;
use cipherformer_protocol::KeyId;
use serde::Serialize;

use crate::client::Client;
use crate::error::ClientError;
use crate::keys::{KeyRecord, Keys};

/// What became of an evaluation key at a server that was asked to delete it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// The key.
    pub id: KeyId,
    /// Its parameter set, if the server had it.
    pub parameter_set: Option<String>,
    /// Its size, if the server had it.
    pub bytes: Option<u64>,
    /// Whether the server had anything of it: the key, sessions under it, or part of an upload.
    pub was_there: bool,
}

/// Keys that took the place of others.
pub struct Rotated {
    /// The pair that counts now; the server has its evaluation key.
    pub keys: Arc<Keys>,
    /// What may be shown of the pair that is gone.
    pub old: KeyRecord,
    /// What the server did with the old evaluation key. After an error it may have it still; then
    /// [`Client::forget`] deletes it.
    pub deleted: Result<Deleted, ClientError>,
}

impl Client {
    /// Makes a new pair of keys, registers it, puts it in place of the old one, destroys that, and has the server
    /// delete its evaluation key. Sessions under the old key end.
    ///
    /// If it fails, the old pair goes on counting.
    ///
    /// # Errors
    /// As [`KeyHome::rotate`](crate::KeyHome::rotate); network, or a server that refuses.
    pub async fn rotate(&self, parameters: &'static ParameterSet) -> Result<Rotated, ClientError> {
        let (home, observer) = (self.home.clone(), Arc::clone(&self.observer));
        let rotation = blocking(move || home.rotate(parameters, observer.as_ref())).await?;
        let old = rotation.old().clone();
        self.register(rotation.new_keys()).await?;
        let keys = Arc::new(blocking(move || rotation.finish()).await?);
        self.replace_keys(&keys, &old.id).await;
        let deleted = self.delete_key(&old.id).await;
        Ok(Rotated { keys, old, deleted })
    }

    /// Has the server delete the evaluation key of this set, with the sessions under it. The pair stays on this
    /// computer, and is registered again when it is next used with this server.
    ///
    /// # Errors
    /// No keys of this set, network, or a server that refuses.
    pub async fn revoke(&self, parameters: &'static ParameterSet) -> Result<Deleted, ClientError> {
        let home = self.home.clone();
        let record = blocking(move || home.record(parameters)).await?;
        self.delete_key(&record.id).await
    }

    /// Has the server delete all that this home has left there: every key that it ever registered, of pairs that
    /// are gone as well, their sessions, and parts of uploads. Says what became of each. The keys on this
    /// computer stay.
    ///
    /// # Errors
    /// A list of registrations that cannot be read, network, or a server that refuses. What was deleted until
    /// then is; the rest is deleted when asked again.
    pub async fn forget(&self) -> Result<Vec<Deleted>, ClientError> {
        let (home, server) = (self.home.clone(), self.http.base().to_owned());
        let ids = blocking(move || {
            let mut ids: BTreeSet<KeyId> = home.noted(&server)?;
            ids.extend(home.records()?.into_iter().map(|record| record.id));
            Ok(ids)
        });
        let mut all = Vec::new();
        for id in ids.await? {
            all.push(self.delete_key(&id).await?);
        }
        Ok(all)
    }

    /// Notes that the server may have a key from now on. A home that cannot be written does without: its pairs
    /// are known all the same, as long as they are there.
    pub(crate) async fn note(&self, id: &KeyId) {
        let (home, server, id) = (self.home.clone(), self.http.base().to_owned(), id.clone());
        let _ = blocking(move || home.note(&server, &id)).await;
    }

    async fn delete_key(&self, id: &KeyId) -> Result<Deleted, ClientError> {
        let info = self.http.key(id).await?;
        let gone = self.http.delete_key(id).await?;
        self.not_registered(id).await;
        let (home, server, key) = (self.home.clone(), self.http.base().to_owned(), id.clone());
        let _ = blocking(move || home.strike(&server, &key)).await;
        Ok(Deleted {
            id: id.clone(),
            parameter_set: info.as_ref().map(|info| info.parameter_set.clone()),
            bytes: info.as_ref().map(|info| info.bytes),
            was_there: gone,
        })
    }
}

/// Work with files, on a thread that may wait.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClientError> + Send + 'static,
) -> Result<T, ClientError> {
    let task = tokio::task::spawn_blocking(work);
    task.await.expect("work with keys does not panic")
}
