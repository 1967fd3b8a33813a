//! What each owner may have evaluated in a day.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::ServerError;
use crate::owner::Owner;
use crate::store::{Store, Time};

/// Counts what is evaluated, for owners with a name or a limit.
#[derive(Debug)]
pub(crate) struct Budget {
    store: Arc<Store>,
    /// What owners have been promised that is not evaluated yet.
    promised: Mutex<HashMap<String, u64>>,
}

/// A promise to evaluate so much. It costs nothing until it is kept.
#[derive(Debug)]
pub(crate) struct Spending {
    budget: Arc<Budget>,
    owner: String,
    evaluations: AtomicU64,
}

impl Budget {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            promised: Mutex::default(),
        }
    }

    /// Promises an owner so many evaluations; `None` if nobody counts them.
    ///
    /// # Errors
    /// If they are more than are left today.
    pub(crate) fn spend(
        self: &Arc<Self>,
        owner: &Owner,
        evaluations: usize,
        now: Time,
    ) -> Result<Option<Spending>, ServerError> {
        let limit = owner.evaluations_per_day;
        if limit.is_none() && (owner.name.is_none() || !self.store.counts_usage()) {
            return Ok(None);
        }
        if !self.store.counts_usage() {
            return Err(ServerError::StorageUnavailable);
        }
        let evaluations = evaluations as u64;
        let mut promised = self.promised();
        let promised = promised.entry(owner.column().to_owned()).or_default();
        if let Some(limit) = limit {
            let used = self.store.used_on(owner.column(), now.day())?;
            let taken = used.saturating_add(*promised);
            if taken.saturating_add(evaluations) > limit {
                return Err(ServerError::BudgetExhausted {
                    limit,
                    left: limit.saturating_sub(taken),
                    seconds: now.seconds_left_of_day(),
                });
            }
        }
        *promised += evaluations;
        Ok(Some(Spending {
            budget: Arc::clone(self),
            owner: owner.column().to_owned(),
            evaluations: AtomicU64::new(evaluations),
        }))
    }

    fn promised(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        // What is behind the lock is consistent after every step.
        self.promised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spending {
    /// Keeps the promise: it was evaluated, and is paid for.
    pub(crate) fn settle(&self, now: Time) -> Result<(), ServerError> {
        let evaluations = self.evaluations.load(Ordering::Relaxed);
        let store = &self.budget.store;
        // While nobody can be promised anything, so that it counts once at every moment.
        let mut promised = self.budget.promised();
        store.add_usage(&self.owner, now.day(), evaluations)?;
        self.release(&mut promised);
        Ok(())
    }

    fn release(&self, promised: &mut HashMap<String, u64>) {
        let evaluations = self.evaluations.swap(0, Ordering::Relaxed);
        if let Some(open) = promised.get_mut(&self.owner) {
            *open = open.saturating_sub(evaluations);
            if *open == 0 {
                promised.remove(&self.owner);
            }
        }
    }
}

impl Drop for Spending {
    fn drop(&mut self) {
        self.release(&mut self.budget.promised());
    }
}
