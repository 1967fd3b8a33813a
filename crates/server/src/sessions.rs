//! Sessions: what has been evaluated of a text so far, in memory only.
//!
//! A session belongs to an evaluation key, and its id is a secret between server and client. It ends
//! when it is closed, or when nobody has used it for some minutes: clients then send their tokens again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cipherformer_circuit::State;
use cipherformer_fhe::{Packed, PreparedCircuit};
use cipherformer_protocol::{EvaluationResult, KeyId, SessionId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ServerError;

/// One key cannot take all sessions.
pub(crate) const SESSIONS_PER_KEY: usize = 16;

/// Every session there is, up to a limit.
#[derive(Debug)]
pub(crate) struct Sessions<T = Text> {
    limit: usize,
    idle: Duration,
    by_id: Mutex<HashMap<SessionId, Arc<Session<T>>>>,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session<T = Text> {
    pub(crate) id: SessionId,
    pub(crate) key: KeyId,
    /// Its one permit is with whoever evaluates.
    turn: Arc<Semaphore>,
    content: Mutex<T>,
    last_used: Mutex<Instant>,
}

/// What a session remembers of an encrypted text.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) circuit: Arc<PreparedCircuit>,
    /// Replaced only when all tokens of a request have been evaluated.
    pub(crate) state: State<Packed>,
    /// The answer to the last request, for clients that did not get it.
    pub(crate) last: Option<EvaluationResult>,
}

/// The right to evaluate the next tokens of a session; nobody else has it until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<T = Text> {
    session: Arc<Session<T>>,
    _permit: OwnedSemaphorePermit,
}

impl<T> Sessions<T> {
    /// Room for `limit` sessions, each of which ends after being idle for so long.
    pub(crate) fn new(limit: usize, idle: Duration) -> Self {
        Self {
            limit,
            idle,
            by_id: Mutex::default(),
        }
    }

    /// After how long without a request a session ends.
    pub(crate) fn idle(&self) -> Duration {
        self.idle
    }

    /// A new session for a key. Those that have expired make room.
    pub(crate) fn open(
        &self,
        key: KeyId,
        content: T,
        now: Instant,
    ) -> Result<Arc<Session<T>>, ServerError> {
        let mut sessions = self.current(now);
        let of_key = sessions.values().filter(|other| other.key == key).count();
        if sessions.len() >= self.limit || of_key >= SESSIONS_PER_KEY {
            return Err(ServerError::TooManySessions {
                minutes: self.minutes(),
            });
        }
        let session = Arc::new(Session {
            id: SessionId::new(rand::random()),
            key,
            turn: Arc::new(Semaphore::new(1)),
            content: Mutex::new(content),
            last_used: Mutex::new(now),
        });
        sessions.insert(session.id.clone(), Arc::clone(&session));
        Ok(session)
    }

    /// A session, which now counts as used.
    ///
    /// Under another key it is as unknown as one that never was: what an id stands for is nobody's
    /// business but the client's who opened the session.
    pub(crate) fn find(
        &self,
        id: &SessionId,
        key: &KeyId,
        now: Instant,
    ) -> Result<Arc<Session<T>>, ServerError> {
        let sessions = self.current(now);
        let session = sessions.get(id).filter(|session| session.key == *key);
        let session = session.ok_or_else(|| self.unknown())?;
        session.used(now);
        Ok(Arc::clone(session))
    }

    /// Ends a session. What is being evaluated runs to its end, for nobody.
    pub(crate) fn close(
        &self,
        id: &SessionId,
        key: &KeyId,
        now: Instant,
    ) -> Result<(), ServerError> {
        self.find(id, key, now)?;
        self.current(now).remove(id);
        Ok(())
    }

    /// The sessions that have not expired; the others are dropped.
    fn current(&self, now: Instant) -> MutexGuard<'_, HashMap<SessionId, Arc<Session<T>>>> {
        let mut sessions = lock(&self.by_id);
        sessions.retain(|_, session| session.is_busy() || session.idle_at(now) < self.idle);
        sessions
    }

    fn unknown(&self) -> ServerError {
        ServerError::UnknownSession {
            minutes: self.minutes(),
        }
    }

    fn minutes(&self) -> u64 {
        self.idle.as_secs() / 60
    }
}

impl<T> Session<T> {
    /// The right to go on, unless somebody has it.
    pub(crate) fn turn(self: &Arc<Self>) -> Result<Turn<T>, ServerError> {
        let permit = Arc::clone(&self.turn).try_acquire_owned();
        Ok(Turn {
            session: Arc::clone(self),
            _permit: permit.map_err(|_| ServerError::SessionBusy)?,
        })
    }

    /// Whether tokens are being evaluated, or wait for it.
    pub(crate) fn is_busy(&self) -> bool {
        self.turn.available_permits() == 0
    }

    /// What it remembers. To be held for a moment only.
    pub(crate) fn content(&self) -> MutexGuard<'_, T> {
        lock(&self.content)
    }

    fn used(&self, now: Instant) {
        *lock(&self.last_used) = now;
    }

    fn idle_at(&self, now: Instant) -> Duration {
        now.saturating_duration_since(*lock(&self.last_used))
    }
}

impl<T> Turn<T> {
    /// The session.
    pub(crate) fn session(&self) -> &Session<T> {
        &self.session
    }
}

impl<T> Drop for Turn<T> {
    /// Evaluating is using: a session is not idle while, nor just after, it works.
    fn drop(&mut self) {
        self.session.used(Instant::now());
    }
}

/// What is behind these locks is consistent after every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    fn key(name: u8) -> KeyId {
        KeyId::of(&[name])
    }

    fn sessions(limit: usize) -> (Sessions<()>, Instant) {
        (Sessions::new(limit, IDLE), Instant::now())
    }

    fn is_unknown<T>(result: Result<T, ServerError>) -> bool {
        matches!(result, Err(ServerError::UnknownSession { minutes: 1 }))
    }

    #[test]
    fn only_its_key_finds_a_session_until_it_is_closed() {
        let (sessions, now) = sessions(4);
        let id = sessions.open(key(1), (), now).expect("room").id.clone();
        let other = sessions.open(key(1), (), now).expect("room").id.clone();
        assert!(id != other);
        assert!(sessions.find(&id, &key(1), now).is_ok());
        assert!(is_unknown(sessions.find(&id, &key(2), now)));
        assert!(is_unknown(sessions.close(&id, &key(2), now)));
        assert!(sessions.close(&id, &key(1), now).is_ok());
        assert!(is_unknown(sessions.find(&id, &key(1), now)));
        assert!(is_unknown(sessions.close(&id, &key(1), now)));
        assert!(sessions.find(&other, &key(1), now).is_ok());
    }

    #[test]
    fn use_keeps_a_session_and_idleness_ends_it() {
        let (sessions, mut now) = sessions(4);
        let id = sessions.open(key(1), (), now).expect("room").id.clone();
        for _ in 0..5 {
            now += IDLE - Duration::from_secs(1);
            assert!(sessions.find(&id, &key(1), now).is_ok());
        }
        now += IDLE;
        assert!(is_unknown(sessions.find(&id, &key(1), now)));
    }

    #[test]
    fn a_session_at_work_does_not_expire_and_takes_no_second_turn() {
        let (sessions, now) = sessions(4);
        let session = sessions.open(key(1), (), now).expect("room");
        let turn = session.turn().expect("free");
        assert!(session.is_busy());
        assert!(matches!(session.turn(), Err(ServerError::SessionBusy)));
        let later = now + 10 * IDLE;
        assert!(sessions.find(&session.id, &key(1), later).is_ok());
        drop(turn);
        assert!(!session.is_busy() && session.turn().is_ok());
    }

    #[test]
    fn the_expired_make_room_and_nobody_else() {
        let (sessions, now) = sessions(2);
        for _ in 0..2 {
            sessions.open(key(1), (), now).expect("room");
        }
        let full = sessions.open(key(2), (), now);
        assert!(matches!(full, Err(ServerError::TooManySessions { .. })));
        assert!(sessions.open(key(2), (), now + IDLE).is_ok());
    }

    #[test]
    fn one_key_cannot_take_all() {
        let (sessions, now) = sessions(SESSIONS_PER_KEY + 1);
        for _ in 0..SESSIONS_PER_KEY {
            sessions.open(key(1), (), now).expect("room");
        }
        assert!(sessions.open(key(1), (), now).is_err());
        assert!(sessions.open(key(2), (), now).is_ok());
    }
}
