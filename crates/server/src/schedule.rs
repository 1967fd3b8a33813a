//! Who may evaluate when: a bounded number at once, a bounded number waiting, the rest turned away.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Span;

use crate::error::ServerError;

/// Gives out places in the queue, and turns in the order of asking.
#[derive(Debug)]
pub(crate) struct Scheduler {
    places: Arc<Semaphore>,
    workers: Arc<Semaphore>,
}

/// A place in the queue; given back when dropped, at the latest when its job is done.
#[derive(Debug)]
pub(crate) struct Place(OwnedSemaphorePermit);

impl Scheduler {
    /// `workers` jobs at once, at least one, and `queue` waiting.
    pub(crate) fn new(workers: usize, queue: usize) -> Self {
        let workers = workers.clamp(1, Semaphore::MAX_PERMITS / 2);
        let queue = queue.min(Semaphore::MAX_PERMITS / 2);
        Self {
            places: Arc::new(Semaphore::new(workers + queue)),
            workers: Arc::new(Semaphore::new(workers)),
        }
    }

    /// A place, if there is one left.
    pub(crate) fn place(&self) -> Result<Place, ServerError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map(Place).map_err(|_| ServerError::Busy)
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
        let span = Span::current();
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place.0, turn);
            span.in_scope(job)
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "a job failed");
            ServerError::Internal
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_full_queue_turns_away() {
        let scheduler = Scheduler::new(1, 1);
        let first = scheduler.place().expect("room");
        let second = scheduler.place().expect("room");
        let third = scheduler.place();
        assert!(matches!(third, Err(ServerError::Busy)));
        drop(second);
        scheduler.place().expect("room again");
        let done = scheduler.run(first, || 7).await;
        assert_eq!(done.expect("no panic"), 7);
    }

    #[tokio::test]
    async fn who_leaves_the_queue_frees_the_place_and_who_runs_keeps_it() {
        let scheduler = Arc::new(Scheduler::new(1, 1));
        let (go, wait) = mpsc::channel::<()>();
        let place = scheduler.place().expect("room");
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
        let place = scheduler.place().expect("room to wait");
        {
            let mut waiting = std::pin::pin!(scheduler.run(place, || ()));
            std::future::poll_fn(|cx| {
                assert!(waiting.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            assert!(scheduler.place().is_err());
        }
        scheduler.place().expect("freed by leaving");
        running.abort();
        tokio::task::yield_now().await;
        let _one = scheduler.place().expect("the queue is empty");
        assert!(scheduler.place().is_err(), "the job still runs");
        go.send(()).expect("it waits");
    }

    #[tokio::test]
    async fn a_panic_fails_one_job_only() {
        let scheduler = Scheduler::new(1, 0);
        let place = scheduler.place().expect("room");
        let result = scheduler.run(place, || panic!("bug")).await;
        assert!(matches!(result, Err::<(), _>(ServerError::Internal)));
        let place = scheduler.place().expect("room again");
        assert_eq!(scheduler.run(place, || 7).await.expect("works"), 7);
    }
}
