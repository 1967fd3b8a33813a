//! Expanded evaluation keys in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cipherformer_fhe::{EvaluationKey, SeededEvaluationKey};
use cipherformer_protocol::KeyId;

use crate::error::ServerError;
use crate::store::KeyStore;

/// Reads keys from the store and keeps them expanded, least recently used dropped first.
#[derive(Debug)]
pub(crate) struct KeyCache {
    store: KeyStore,
    budget: usize,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_id: HashMap<KeyId, Slot>,
    clock: u64,
}

#[derive(Clone, Debug)]
struct Slot {
    /// Locked while the key is expanded, so that it is expanded once.
    key: Arc<Mutex<Option<Arc<EvaluationKey>>>>,
    bytes: usize,
    last_used: u64,
}

impl KeyCache {
    /// A cache of at most `budget` bytes, but always of one key.
    pub(crate) fn new(store: KeyStore, budget: usize) -> Self {
        Self {
            store,
            budget,
            slots: Mutex::default(),
        }
    }

    /// The store behind the cache.
    pub(crate) fn store(&self) -> &KeyStore {
        &self.store
    }

    /// The expanded key with this id. Blocks while it is read and expanded, about a second.
    pub(crate) fn get(&self, id: &KeyId) -> Result<Arc<EvaluationKey>, ServerError> {
        let slot = self.slot(id)?;
        let mut key = lock(&slot.key);
        if let Some(key) = &*key {
            return Ok(Arc::clone(key));
        }
        match self.expand(id) {
            Ok(expanded) => {
                *key = Some(Arc::clone(&expanded));
                Ok(expanded)
            }
            Err(error) => {
                lock(&self.slots).by_id.remove(id);
                Err(error)
            }
        }
    }

    /// The slot of a key, with room made for it by dropping others.
    fn slot(&self, id: &KeyId) -> Result<Slot, ServerError> {
        let mut slots = lock(&self.slots);
        slots.clock += 1;
        let now = slots.clock;
        if let Some(slot) = slots.by_id.get_mut(id) {
            slot.last_used = now;
            return Ok(slot.clone());
        }
        let stored = self.store.find(id).ok_or(ServerError::UnknownKey)?;
        let bytes = EvaluationKey::memory_bytes(stored.parameters);
        while !slots.by_id.is_empty() && slots.bytes() + bytes > self.budget {
            slots.drop_oldest();
        }
        let slot = Slot {
            key: Arc::default(),
            bytes,
            last_used: now,
        };
        slots.by_id.insert(id.clone(), slot.clone());
        Ok(slot)
    }

    fn expand(&self, id: &KeyId) -> Result<Arc<EvaluationKey>, ServerError> {
        let stored = self.store.find(id).ok_or(ServerError::UnknownKey)?;
        let bytes = self.store.read(id, stored.parameters)?;
        let bytes = bytes.ok_or(ServerError::UnknownKey)?;
        let seeded = SeededEvaluationKey::from_bytes(&bytes, stored.parameters)
            .map_err(ServerError::BadKey)?;
        drop(bytes);
        Ok(Arc::new(EvaluationKey::expand(seeded, stored.parameters)))
    }
}

impl Slots {
    fn bytes(&self) -> usize {
        self.by_id.values().map(|slot| slot.bytes).sum()
    }

    fn drop_oldest(&mut self) {
        let oldest = self.by_id.iter().min_by_key(|(_, slot)| slot.last_used);
        if let Some(id) = oldest.map(|(id, _)| id.clone()) {
            self.by_id.remove(&id);
        }
    }
}

/// A panic while a lock was held left nothing half-done behind it: slots are set in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::parameters::INSECURE_TOY;

    use super::*;

    #[allow(clippy::disallowed_types)] // tests play the client
    fn upload(store: &KeyStore) -> KeyId {
        let secret = cipherformer_fhe::SecretKey::generate(&INSECURE_TOY);
        let bytes = SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
        let id = KeyId::of(&bytes);
        store.put(&id, &INSECURE_TOY, &bytes).expect("writable");
        id
    }

    #[test]
    fn keys_are_shared_and_the_least_recently_used_is_dropped() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = KeyStore::open(folder.path()).expect("writable");
        let ids: Vec<KeyId> = (0..3).map(|_| upload(&store)).collect();
        let budget = 2 * EvaluationKey::memory_bytes(&INSECURE_TOY);
        let cache = KeyCache::new(store, budget);
        let first = cache.get(&ids[0]).expect("stored");
        let second = cache.get(&ids[1]).expect("stored");
        assert!(Arc::ptr_eq(&first, &cache.get(&ids[0]).expect("stored")));
        cache.get(&ids[2]).expect("stored"); // drops the second
        assert!(Arc::ptr_eq(&first, &cache.get(&ids[0]).expect("stored")));
        assert!(!Arc::ptr_eq(&second, &cache.get(&ids[1]).expect("stored")));
        let unknown = cache.get(&KeyId::of(b"other"));
        assert!(matches!(unknown, Err(ServerError::UnknownKey)));
    }
}
