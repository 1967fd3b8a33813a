//! Which keys are in use, and when they last were.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cipherformer_protocol::KeyId;

use crate::owner::Registration;
use crate::store::time::Time;

/// How often the use of one key is written to disk at most.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// What is known in memory of the use of keys, more exactly than on disk.
#[derive(Debug, Default)]
pub(super) struct Uses {
    held: Arc<Mutex<HashMap<KeyId, usize>>>,
    times: Mutex<HashMap<Registration, Used>>,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    last: Time,
    written: Time,
}

/// As long as this lives, the key is not dropped to make room.
#[derive(Debug)]
pub(crate) struct Hold {
    id: KeyId,
    held: Arc<Mutex<HashMap<KeyId, usize>>>,
}

impl Uses {
    /// Keeps a key from being dropped.
    pub(super) fn hold(&self, id: &KeyId) -> Hold {
        *lock(&self.held).entry(id.clone()).or_default() += 1;
        Hold {
            id: id.clone(),
            held: Arc::clone(&self.held),
        }
    }

    /// Whether somebody holds the key.
    pub(super) fn is_held(&self, id: &KeyId) -> bool {
        lock(&self.held).contains_key(id)
    }

    /// Remembers that a key is used now; whether that is worth writing down.
    pub(super) fn touch(&self, key: &Registration, now: Time) -> bool {
        let mut times = lock(&self.times);
        let before = times.get(key).copied();
        let due = before.is_none_or(|used| now.since(used.written) >= WRITE_EVERY);
        let written = match before {
            Some(used) if !due => used.written,
            _ => now,
        };
        times.insert(key.clone(), Used { last: now, written });
        due
    }

    /// When a key was last used, if that is known better than on disk.
    pub(super) fn last(&self, key: &Registration) -> Option<Time> {
        lock(&self.times).get(key).map(|used| used.last)
    }

    /// Forgets a key.
    pub(super) fn forget(&self, key: &Registration) {
        lock(&self.times).remove(key);
    }

    /// The uses that are not on disk yet, to be written now; those that have been there for long are forgotten.
    pub(super) fn unwritten(&self, now: Time) -> Vec<(Registration, Time)> {
        let mut times = lock(&self.times);
        times.retain(|_, used| used.last > used.written || now.since(used.last) < WRITE_EVERY);
        let unwritten = times
            .iter_mut()
            .filter(|(_, used)| used.last > used.written);
        unwritten
            .map(|(key, used)| {
                used.written = used.last;
                (key.clone(), used.last)
            })
            .collect()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some(count) = held.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.id);
            }
        }
    }
}

/// What is behind these locks is consistent after every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::Owner;

    #[test]
    fn a_key_is_held_until_the_last_holder_lets_go() {
        let (uses, id) = (Uses::default(), KeyId::of(b"key"));
        let holds = [uses.hold(&id), uses.hold(&id)];
        for hold in holds {
            assert!(uses.is_held(&id));
            drop(hold);
        }
        assert!(!uses.is_held(&id));
    }

    #[test]
    fn a_busy_key_is_written_down_once_a_minute_and_remembered_exactly() {
        let (uses, key) = (Uses::default(), Owner::default().of(KeyId::of(b"key")));
        let seconds = |s: i64| Time(s * 1000);
        assert!(uses.touch(&key, seconds(0)));
        assert!(uses.unwritten(seconds(1)).is_empty());
        for s in 1..60 {
            assert!(!uses.touch(&key, seconds(s)));
            assert_eq!(uses.last(&key), Some(seconds(s)));
        }
        assert!(uses.touch(&key, seconds(60)));
        assert!(!uses.touch(&key, seconds(61)));
        assert_eq!(uses.unwritten(seconds(62)), [(key.clone(), seconds(61))]);
        assert!(uses.unwritten(seconds(62)).is_empty());
        assert_eq!(uses.last(&key), Some(seconds(61)));
        assert!(uses.unwritten(seconds(200)).is_empty());
        assert_eq!(uses.last(&key), None, "nothing more is known than on disk");
    }
}
