//! Who may evaluate when: a bounded number at once, a bounded number waiting, the rest turned away.
//! Turns go round among those who ask.

mod pace;
#[cfg(test)]
mod tests;
mod turns;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, watch};
use tracing::Span;

use crate::error::ServerError;
use crate::owner::Party;
use pace::Pace;
use turns::Turns;

/// One party gets this part of all places, so that it takes several to keep everybody else out.
const SHARE: usize = 4;

/// Gives out places in the queue, and turns.
#[derive(Debug)]
pub(crate) struct Scheduler(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    workers: usize,
    places: usize,
    places_each: usize,
    queue: Mutex<Queue>,
    /// Told when the last job is done.
    idle: Notify,
}

#[derive(Debug)]
struct Queue {
    /// Whose every place is that is taken, by jobs that wait or run.
    taken: Vec<Party>,
    turns: Turns<Party, Waiting>,
    running: usize,
    pace: Pace,
    /// Nobody gets a place any more.
    closed: bool,
    tickets: u64,
}

/// A job that waits.
#[derive(Debug)]
struct Waiting {
    ticket: u64,
    standing: watch::Sender<Standing>,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Standing {
    /// It is this one's turn after so many others, itself included.
    Waiting(usize),
    /// It is its turn; it runs from now on until its ticket is dropped.
    Turn,
    /// It will have no turn.
    Refused,
}

/// How busy a server is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) waiting: usize,
    pub(crate) running: usize,
    pub(crate) places: usize,
}

/// A place in the queue; given back when dropped, at the latest when its job is done.
#[derive(Debug)]
pub(crate) struct Place {
    party: Party,
    shared: Arc<Shared>,
}

/// A job that waits, or has its turn. Dropped, it does neither.
#[derive(Debug)]
struct Ticket {
    number: u64,
    standing: watch::Receiver<Standing>,
    place: Place,
}

impl Scheduler {
    /// `workers` jobs at once, at least one, and `queue` waiting.
    pub(crate) fn new(workers: usize, queue: usize) -> Self {
        let workers = workers.max(1);
        let places = workers.saturating_add(queue);
        Self(Arc::new(Shared {
            workers,
            places,
            places_each: (places / SHARE).max(1),
            queue: Mutex::new(Queue {
                taken: Vec::new(),
                turns: Turns::new(),
                running: 0,
                pace: Pace::default(),
                closed: false,
                tickets: 0,
            }),
            idle: Notify::new(),
        }))
    }

    /// A place for somebody, if there is one left and the party has not its share already.
    pub(crate) fn place(&self, party: &Party) -> Result<Place, ServerError> {
        let shared = &self.0;
        let mut queue = shared.queue();
        if queue.closed {
            return Err(ServerError::ShuttingDown);
        }
        let seconds = queue.pace.patience(queue.taken.len(), shared.workers);
        if queue.taken.len() >= shared.places {
            return Err(ServerError::Busy { seconds });
        }
        let limit = shared.places_each;
        if queue.taken.iter().filter(|other| *other == party).count() >= limit {
            return Err(ServerError::KeyBusy { limit, seconds });
        }
        queue.taken.push(party.clone());
        Ok(Place {
            party: party.clone(),
            shared: Arc::clone(shared),
        })
    }

    /// Waits for a turn, then runs the job on a thread where it may block. Tells `waiting` how many turns it
    /// is away from its own, whenever that changes.
    ///
    /// Dropped while it waits, this gives up its place. Dropped later, the job still runs to its end,
    /// and keeps its turn until then, so that there are never more at once than there should be.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        place: Place,
        waiting: impl FnMut(usize) + Send,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ServerError> {
        let mut ticket = Ticket::new(place)?;
        ticket.turn(waiting).await?;
        let (span, shared) = (Span::current(), Arc::clone(&self.0));
        let done = tokio::task::spawn_blocking(move || {
            let _held = ticket;
            let start = Instant::now();
            let result = span.in_scope(job);
            shared.queue().pace.add(start.elapsed());
            result
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "a job failed");
            ServerError::Internal
        })
    }

    /// From now on nobody gets a place, and whoever waits is refused. Jobs that run go on.
    pub(crate) fn close(&self) {
        let mut queue = self.0.queue();
        queue.closed = true;
        while let Some(waiting) = queue.turns.next() {
            waiting.standing.send_replace(Standing::Refused);
        }
    }

    /// Whether [`Scheduler::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.queue().closed
    }

    /// Ready when no job runs.
    pub(crate) async fn idle(&self) {
        loop {
            let idle = self.0.idle.notified();
            if self.0.queue().running == 0 {
                return;
            }
            idle.await;
        }
    }

    /// How busy it is.
    pub(crate) fn load(&self) -> Load {
        let queue = self.0.queue();
        Load {
            waiting: queue.turns.len(),
            running: queue.running,
            places: self.0.places,
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // What is behind the lock is consistent after every step.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Gives turns to whom they are due, and tells the others where they are.
    fn advance(&mut self, workers: usize) {
        while self.running < workers {
            let Some(next) = self.turns.next() else { break };
            self.running += 1;
            next.standing.send_replace(Standing::Turn);
        }
        for (index, waiting) in self.turns.in_order().enumerate() {
            let now = Standing::Waiting(index + 1);
            waiting
                .standing
                .send_if_modified(|standing| std::mem::replace(standing, now) != now);
        }
    }
}

impl Ticket {
    /// Joins the queue.
    fn new(place: Place) -> Result<Self, ServerError> {
        let shared = Arc::clone(&place.shared);
        let mut queue = shared.queue();
        if queue.closed {
            return Err(ServerError::ShuttingDown);
        }
        queue.tickets += 1;
        let number = queue.tickets;
        let (sender, standing) = watch::channel(Standing::Waiting(queue.turns.len() + 1));
        let waiting = Waiting {
            ticket: number,
            standing: sender,
        };
        queue.turns.push(place.party.clone(), waiting);
        queue.advance(shared.workers);
        Ok(Self {
            number,
            standing,
            place,
        })
    }

    /// Ready when it is this one's turn.
    async fn turn(&mut self, mut waiting: impl FnMut(usize) + Send) -> Result<(), ServerError> {
        loop {
            let standing = *self.standing.borrow_and_update();
            match standing {
                Standing::Waiting(turns) => waiting(turns),
                Standing::Turn => return Ok(()),
                Standing::Refused => return Err(ServerError::ShuttingDown),
            }
            // The sender is there for as long as this waits.
            let _ = self.standing.changed().await;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let shared = &self.place.shared;
        let mut queue = shared.queue();
        let standing = *self.standing.borrow();
        match standing {
            Standing::Waiting(_) => queue.turns.remove(|other| other.ticket == self.number),
            Standing::Turn => queue.running -= 1,
            Standing::Refused => {}
        }
        queue.advance(shared.workers);
        if queue.running == 0 {
            shared.idle.notify_waiters();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        if let Some(index) = queue.taken.iter().position(|party| *party == self.party) {
            queue.taken.swap_remove(index);
        }
    }
}
