//! Who may evaluate when: a bounded number at once, a bounded number waiting, the rest turned away.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cipherformer_protocol::KeyId;
use tokio::sync::Semaphore;
use tracing::Span;

use crate::error::ServerError;

/// One key gets this part of all places, so that it takes several to keep everybody else out.
const SHARE: usize = 4;

/// Gives out places in the queue, and turns in the order of asking.
#[derive(Debug)]
pub(crate) struct Scheduler {
    places: usize,
    places_per_key: usize,
    /// The key of every place that is taken.
    taken: Arc<Mutex<Vec<KeyId>>>,
    workers: Arc<Semaphore>,
    /// Seconds that the last job took, rounded up.
    last_job: Arc<AtomicU64>,
}

/// A key's place in the queue; given back when dropped, at the latest when its job is done.
#[derive(Debug)]
pub(crate) struct Place {
    key: KeyId,
    taken: Arc<Mutex<Vec<KeyId>>>,
}

impl Scheduler {
    /// `workers` jobs at once, at least one, and `queue` waiting.
    pub(crate) fn new(workers: usize, queue: usize) -> Self {
        let workers = workers.clamp(1, Semaphore::MAX_PERMITS);
        let places = workers.saturating_add(queue);
        Self {
            places,
            places_per_key: (places / SHARE).max(1),
            taken: Arc::default(),
            workers: Arc::new(Semaphore::new(workers)),
            last_job: Arc::default(),
        }
    }

    /// A place for a key, if there is one left and the key has not its share already.
    pub(crate) fn place(&self, key: &KeyId) -> Result<Place, ServerError> {
        let seconds = self.patience();
        let mut taken = lock(&self.taken);
        if taken.len() >= self.places {
            return Err(ServerError::Busy { seconds });
        }
        let limit = self.places_per_key;
        if taken.iter().filter(|other| *other == key).count() >= limit {
            return Err(ServerError::KeyBusy { limit, seconds });
        }
        taken.push(key.clone());
        Ok(Place {
            key: key.clone(),
            taken: Arc::clone(&self.taken),
        })
    }

    /// Waits for a turn, then runs the job on a thread where it may block.
    ///
    /// Dropped while it waits, this gives up its place. Dropped later, the job still runs to its end,
    /// and keeps its turn until then, so that there are never more at once than there should be.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        place: Place,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ServerError> {
        let turn = Arc::clone(&self.workers)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let (span, last_job) = (Span::current(), Arc::clone(&self.last_job));
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            let start = Instant::now();
            let result = span.in_scope(job);
            last_job.store(start.elapsed().as_secs() + 1, Ordering::Relaxed);
            result
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "a job failed");
            ServerError::Internal
        })
    }

    /// After how many seconds to ask again. A place is free when a job ends, so about as long as the
    /// last one took; asking much more often, or much less, would help nobody.
    fn patience(&self) -> u64 {
        self.last_job.load(Ordering::Relaxed).clamp(2, 10)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(index) = taken.iter().position(|key| *key == self.key) {
            taken.swap_remove(index);
        }
    }
}

/// What is behind the lock is consistent after every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn key(name: u8) -> KeyId {
        KeyId::of(&[name])
    }

    #[tokio::test]
    async fn a_full_queue_turns_away() {
        let scheduler = Scheduler::new(1, 1);
        let first = scheduler.place(&key(1)).expect("room");
        let second = scheduler.place(&key(2)).expect("room");
        let third = scheduler.place(&key(3));
        assert!(matches!(third, Err(ServerError::Busy { seconds: 2 })));
        drop(second);
        scheduler.place(&key(3)).expect("room again");
        let done = scheduler.run(first, || 7).await;
        assert_eq!(done.expect("no panic"), 7);
    }

    #[test]
    fn one_key_gets_a_quarter_of_the_places() {
        let scheduler = Scheduler::new(1, 7);
        let places = [1, 1, 2].map(|name| scheduler.place(&key(name)).expect("room"));
        let more = scheduler.place(&key(1));
        assert!(matches!(more, Err(ServerError::KeyBusy { limit: 2, .. })));
        let _other = scheduler.place(&key(2)).expect("room for others");
        drop(places);
        scheduler.place(&key(1)).expect("room again");
    }

    #[tokio::test]
    async fn whoever_is_turned_away_waits_about_as_long_as_a_job_takes() {
        for (seconds, patience) in [(1, 2), (4, 4), (51, 10)] {
            let scheduler = Scheduler::new(1, 0);
            scheduler.last_job.store(seconds, Ordering::Relaxed);
            assert_eq!(scheduler.patience(), patience);
            let place = scheduler.place(&key(1)).expect("room");
            scheduler.run(place, || ()).await.expect("no panic");
            assert_eq!(scheduler.patience(), 2, "this one was quick");
        }
    }

    #[tokio::test]
    async fn who_leaves_the_queue_frees_the_place_and_who_runs_keeps_it() {
        let scheduler = Arc::new(Scheduler::new(1, 1));
        let (go, wait) = mpsc::channel::<()>();
        let place = scheduler.place(&key(1)).expect("room");
        let started = Arc::new(tokio::sync::Notify::new());
        let running = tokio::spawn({
            let (scheduler, started) = (Arc::clone(&scheduler), Arc::clone(&started));
            async move {
                let job = move || {
                    started.notify_one();
                    wait.recv()
                };
                scheduler.run(place, job).await
            }
        });
        started.notified().await;
        let place = scheduler.place(&key(2)).expect("room to wait");
        {
            let mut waiting = std::pin::pin!(scheduler.run(place, || ()));
            std::future::poll_fn(|cx| {
                assert!(waiting.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            assert!(scheduler.place(&key(3)).is_err());
        }
        scheduler.place(&key(2)).expect("freed by leaving");
        running.abort();
        tokio::task::yield_now().await;
        let _one = scheduler.place(&key(2)).expect("the queue is empty");
        assert!(scheduler.place(&key(3)).is_err(), "the job still runs");
        go.send(()).expect("it waits");
    }

    #[tokio::test]
    async fn a_panic_fails_one_job_only() {
        let scheduler = Scheduler::new(1, 0);
        let place = scheduler.place(&key(1)).expect("room");
        let result = scheduler.run(place, || panic!("bug")).await;
        assert!(matches!(result, Err::<(), _>(ServerError::Internal)));
        let place = scheduler.place(&key(1)).expect("room again");
        assert_eq!(scheduler.run(place, || 7).await.expect("works"), 7);
    }
}
