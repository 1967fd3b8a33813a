//! Sessions in memory, those used last: who may go on with one, and which have to make room.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cipherformer_protocol::SessionId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::owner::Registration;
use crate::store::Time;

/// So many sessions, and those besides that somebody is using.
#[derive(Debug)]
pub(super) struct Memory<T> {
    limit: usize,
    clock: AtomicU64,
    by_id: Mutex<HashMap<SessionId, Arc<Session<T>>>>,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session<T> {
    pub(crate) id: SessionId,
    pub(crate) key: Registration,
    /// Its one permit is with whoever evaluates. Closed with the session.
    turn: Arc<Semaphore>,
    content: Mutex<T>,
    /// When it was opened, or its last tokens had been evaluated.
    last_used: Mutex<Time>,
    /// When somebody last asked for it, in the order of asking.
    asked: AtomicU64,
}

/// The right to evaluate the next tokens of a session; nobody else has it until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<T> {
    session: Arc<Session<T>>,
    _permit: OwnedSemaphorePermit,
}

impl<T> Memory<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            clock: AtomicU64::default(),
            by_id: Mutex::default(),
        }
    }

    /// Adds a session. Those that were asked for least recently make room, unless somebody has them in hand: there
    /// must never be two of one session.
    pub(super) fn insert(&self, session: Session<T>) -> Arc<Session<T>> {
        let session = Arc::new(session);
        self.see(&session);
        let mut sessions = self.sessions();
        sessions.insert(session.id.clone(), Arc::clone(&session));
        while sessions.len() > self.limit {
            let free = sessions
                .values()
                .filter(|session| Arc::strong_count(session) == 1);
            let oldest = free.min_by_key(|session| session.asked.load(Ordering::Relaxed));
            let Some(oldest) = oldest.map(|session| session.id.clone()) else {
                break;
            };
            sessions.remove(&oldest);
        }
        drop(sessions);
        session
    }

    pub(super) fn get(&self, id: &SessionId) -> Option<Arc<Session<T>>> {
        let session = self.sessions().get(id).cloned()?;
        self.see(&session);
        Some(session)
    }

    pub(super) fn remove(&self, id: &SessionId) {
        self.sessions().remove(id);
    }

    /// Removes sessions, with a last word to each.
    pub(super) fn remove_if(
        &self,
        condition: impl Fn(&Session<T>) -> bool,
        farewell: impl Fn(&Session<T>),
    ) {
        self.sessions().retain(|_, session| {
            let stays = !condition(session);
            if !stays {
                farewell(session);
            }
            stays
        });
    }

    /// Those that are at work.
    pub(super) fn busy(&self) -> HashSet<SessionId> {
        let sessions = self.sessions();
        let busy = sessions.values().filter(|session| session.is_busy());
        busy.map(|session| session.id.clone()).collect()
    }

    fn see(&self, session: &Session<T>) {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        session.asked.store(now, Ordering::Relaxed);
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Session<T>>>> {
        lock(&self.by_id)
    }
}

impl<T> Session<T> {
    pub(super) fn new(id: SessionId, key: Registration, content: T, last_used: Time) -> Self {
        Self {
            id,
            key,
            turn: Arc::new(Semaphore::new(1)),
            content: Mutex::new(content),
            last_used: Mutex::new(last_used),
            asked: AtomicU64::default(),
        }
    }

    /// Whether tokens are being evaluated, or wait for it.
    pub(crate) fn is_busy(&self) -> bool {
        self.turn.available_permits() == 0
    }

    /// What it remembers. To be held for a moment only.
    pub(crate) fn content(&self) -> MutexGuard<'_, T> {
        lock(&self.content)
    }

    /// The right to go on, unless somebody has it or the session was closed.
    pub(super) fn turn(self: &Arc<Self>) -> Option<Turn<T>> {
        let permit = Arc::clone(&self.turn).try_acquire_owned().ok()?;
        Some(Turn {
            session: Arc::clone(self),
            _permit: permit,
        })
    }

    /// Gives no more turns, and calls back the one it gave.
    pub(super) fn close(&self) {
        self.turn.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.turn.is_closed()
    }

    pub(super) fn advance(&self, content: T, now: Time) {
        *self.content() = content;
        *lock(&self.last_used) = now;
    }

    /// How long it has done nothing.
    pub(super) fn idle_at(&self, now: Time) -> Duration {
        match self.is_busy() {
            true => Duration::ZERO,
            false => now.since(*lock(&self.last_used)),
        }
    }
}

impl<T> Turn<T> {
    /// The session.
    pub(crate) fn session(&self) -> &Session<T> {
        &self.session
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
    use cipherformer_protocol::KeyId;

    fn session(id: u128) -> Session<()> {
        let key = Owner::default().of(KeyId::of(b"key"));
        Session::new(SessionId::new(id), key, (), Time(0))
    }

    fn minute(minutes: i64) -> Time {
        Time(minutes * 60_000)
    }

    #[test]
    fn only_new_tokens_count_as_use() {
        let memory = Memory::new(4);
        let session = memory.insert(session(1));
        memory.get(&session.id).expect("there");
        drop(session.turn());
        assert_eq!(session.idle_at(minute(1)), Duration::from_secs(60));
        session.advance((), minute(1));
        assert_eq!(session.idle_at(minute(2)), Duration::from_secs(60));
    }

    #[test]
    fn a_closed_session_gives_no_turns_and_calls_back_the_one_it_gave() {
        let session = Arc::new(session(1));
        let turn = session.turn().expect("free");
        assert!(!turn.session().is_closed());
        session.close();
        assert!(turn.session().is_closed());
        drop(turn);
        assert!(session.turn().is_none());
    }

    #[test]
    fn a_session_at_work_is_not_idle_and_gives_no_second_turn() {
        let memory = Memory::new(4);
        let session = memory.insert(session(1));
        let turn = session.turn().expect("free");
        assert!(session.is_busy() && session.turn().is_none());
        assert_eq!(session.idle_at(minute(10)), Duration::ZERO);
        assert!(memory.busy().contains(&session.id));
        drop(turn);
        assert!(!session.is_busy() && session.turn().is_some());
        assert!(memory.busy().is_empty());
    }

    #[test]
    fn those_asked_for_least_recently_make_room_unless_in_hand() {
        let memory = Memory::new(2);
        let there = |id| memory.sessions().contains_key(&SessionId::new(id));
        let held = memory.insert(session(1));
        memory.insert(session(2));
        memory.insert(session(3));
        assert!(there(1) && !there(2) && there(3));
        drop(held);
        memory.get(&SessionId::new(1)).expect("there");
        memory.insert(session(4));
        assert!(there(1) && !there(3) && there(4));
    }

    #[test]
    fn what_is_in_hand_is_kept_beyond_the_limit() {
        let memory = Memory::new(1);
        let held = [memory.insert(session(1)), memory.insert(session(2))];
        assert_eq!(memory.sessions().len(), 2);
        drop(held);
        memory.insert(session(3));
        assert_eq!(memory.sessions().len(), 1);
    }

    #[test]
    fn each_that_goes_gets_a_last_word() {
        let memory = Memory::new(4);
        let (goes, stays) = (memory.insert(session(1)), memory.insert(session(2)));
        memory.remove_if(|session| session.id == goes.id, Session::close);
        assert!(goes.is_closed() && !stays.is_closed());
        assert!(memory.get(&goes.id).is_none() && memory.get(&stays.id).is_some());
    }
}
