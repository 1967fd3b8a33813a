//! Expanded evaluation keys in memory, within a budget.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cipherformer_fhe::EvaluationKey;
use cipherformer_protocol::KeyId;

use crate::metrics::CacheFigures;

/// Keeps the most recently used keys, as many as fit the budget, and always the one in use.
#[derive(Debug)]
pub(crate) struct KeyCache<K = EvaluationKey> {
    budget: usize,
    slots: Mutex<Slots<K>>,
}

#[derive(Debug)]
struct Slots<K> {
    by_id: HashMap<KeyId, Slot<K>>,
    clock: u64,
    hits: u64,
    misses: u64,
    evictions: u64,
}

#[derive(Debug)]
struct Slot<K> {
    /// Locked while the key is expanded, so that whoever else wants it waits instead of doing it again.
    key: Arc<Mutex<Option<Arc<K>>>>,
    bytes: usize,
    last_used: u64,
}

impl<K> KeyCache<K> {
    /// An empty cache that may take this many bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            budget,
            slots: Mutex::new(Slots {
                by_id: HashMap::new(),
                clock: 0,
                hits: 0,
                misses: 0,
                evictions: 0,
            }),
        }
    }

    /// Lets go of keys. Who is using one keeps it until the end.
    pub(crate) fn retain(&self, keep: impl Fn(&KeyId) -> bool) {
        self.slots().by_id.retain(|id, _| keep(id));
    }

    /// The key, made by `load` unless it is here. Blocks while another thread makes it.
    ///
    /// # Errors
    /// Whatever `load` returns; nothing is kept then.
    pub(crate) fn get<E>(
        &self,
        id: &KeyId,
        bytes: usize,
        load: impl FnOnce() -> Result<K, E>,
    ) -> Result<Arc<K>, E> {
        let slot = self.slots().reserve(id, bytes, self.budget);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*slot {
            return Ok(Arc::clone(key));
        }
        match load() {
            Ok(key) => Ok(Arc::clone(slot.insert(Arc::new(key)))),
            Err(error) => {
                self.slots().by_id.remove(id);
                Err(error)
            }
        }
    }

    /// How well it serves.
    pub(crate) fn figures(&self) -> CacheFigures {
        let slots = self.slots();
        CacheFigures {
            hits: slots.hits,
            misses: slots.misses,
            evictions: slots.evictions,
            keys: slots.by_id.len(),
            bytes: slots.bytes(),
            budget: self.budget,
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots<K>> {
        // What is behind the lock is consistent after every step.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Slots<K> {
    /// The key's slot, new if need be. Room is made before the key is expanded, not after.
    fn reserve(&mut self, id: &KeyId, bytes: usize, budget: usize) -> Arc<Mutex<Option<Arc<K>>>> {
        self.clock += 1;
        match self.by_id.contains_key(id) {
            true => self.hits += 1,
            false => {
                self.misses += 1;
                self.make_room(bytes, budget);
            }
        }
        let slot = self.by_id.entry(id.clone()).or_insert_with(|| Slot {
            key: Arc::default(),
            bytes,
            last_used: 0,
        });
        slot.last_used = self.clock;
        Arc::clone(&slot.key)
    }

    fn make_room(&mut self, bytes: usize, budget: usize) {
        while !self.by_id.is_empty() && self.bytes() + bytes > budget {
            let oldest = self.by_id.iter().min_by_key(|(_, slot)| slot.last_used);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else {
                return;
            };
            self.by_id.remove(&oldest);
            self.evictions += 1;
        }
    }

    fn bytes(&self) -> usize {
        self.by_id.values().map(|slot| slot.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn load(cache: &KeyCache<u8>, key: u8) -> bool {
        let mut loaded = false;
        let got = cache.get(&KeyId::of(&[key]), 10, || {
            loaded = true;
            Ok::<_, ()>(key)
        });
        assert_eq!(got.as_deref(), Ok(&key));
        loaded
    }

    #[test]
    fn least_recently_used_keys_go_first() {
        let cache = KeyCache::new(20);
        assert!(load(&cache, 1) && load(&cache, 2));
        assert!(!load(&cache, 1), "both fit");
        assert!(load(&cache, 3), "takes the place of 2");
        assert!(!load(&cache, 1) && !load(&cache, 3));
        assert!(load(&cache, 2), "had to go");
        assert!(load(&cache, 1), "was the oldest");
        let figures = cache.figures();
        assert_eq!((figures.hits, figures.misses, figures.evictions), (3, 5, 3));
        assert_eq!((figures.keys, figures.bytes, figures.budget), (2, 20, 20));
    }

    #[test]
    fn a_key_larger_than_the_budget_still_works() {
        let cache = KeyCache::new(5);
        assert!(load(&cache, 1));
        assert!(!load(&cache, 1), "the one in use is kept");
        assert!(load(&cache, 2) && load(&cache, 1));
    }

    #[test]
    fn a_key_that_is_let_go_is_loaded_again() {
        let cache = KeyCache::new(20);
        assert!(load(&cache, 1) && load(&cache, 2));
        cache.retain(|id| *id != KeyId::of(&[1]));
        assert!(load(&cache, 1) && !load(&cache, 2));
    }

    #[test]
    fn racing_requests_expand_once() {
        let cache = KeyCache::new(100);
        let loads = AtomicUsize::new(0);
        let id = KeyId::of(b"one");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let got = cache.get(&id, 10, || {
                        thread::sleep(Duration::from_millis(20));
                        loads.fetch_add(1, Ordering::Relaxed);
                        Ok::<_, ()>(1)
                    });
                    assert_eq!(got.as_deref(), Ok(&1));
                });
            }
        });
        assert_eq!(loads.into_inner(), 1);
    }

    #[test]
    fn failures_and_panics_are_not_kept() {
        let cache = KeyCache::new(100);
        let id = KeyId::of(&[7]);
        let failed = cache.get(&id, 10, || Err("damaged"));
        assert_eq!(failed, Err("damaged"));
        assert!(cache.slots().by_id.is_empty());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            cache.get(&id, 10, || -> Result<u8, ()> { panic!("bug") })
        }));
        assert!(panicked.is_err());
        assert!(load(&cache, 7), "loads again");
    }
}
