//! Sessions: what has been evaluated of a text so far, in memory only.
//!
//! A session belongs to an evaluation key, and its id is a secret between server and client. It ends
//! when it is closed, or some minutes after its last token: clients then send their tokens again. Only tokens
//! that were evaluated keep it, and there are only so many positions, so that asking cannot keep it forever.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cipherformer_circuit::State;
use cipherformer_fhe::{Packed, PreparedCircuit};
use cipherformer_protocol::{EvaluationResult, KeyId, SessionId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::error::ServerError;

/// One key cannot take all sessions.
pub(crate) const SESSIONS_PER_KEY: usize = 16;

/// Every session there is, up to a limit.
#[derive(Debug)]
pub(crate) struct Sessions<T = Text> {
    limit: usize,
    idle: Duration,
    by_id: Mutex<ById<T>>,
}

type ById<T> = HashMap<SessionId, Arc<Session<T>>>;

/// One session.
#[derive(Debug)]
pub(crate) struct Session<T = Text> {
    pub(crate) id: SessionId,
    pub(crate) key: KeyId,
    /// Its one permit is with whoever evaluates. Closed with the session.
    turn: Arc<Semaphore>,
    content: Mutex<T>,
    /// When it was opened, or its last tokens had been evaluated.
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
    /// Room for `limit` sessions, each of which ends after being idle, without new tokens, for so long.
    pub(crate) fn new(limit: usize, idle: Duration) -> Self {
        Self {
            limit,
            idle,
            by_id: Mutex::default(),
        }
    }

    /// After how long without new tokens this session ends.
    pub(crate) fn remaining(&self, session: &Session<T>, now: Instant) -> Duration {
        self.idle.saturating_sub(session.idle_at(now))
    }

    /// A new session for a key. Those that have expired make room.
    pub(crate) fn open(
        &self,
        key: KeyId,
        content: T,
        now: Instant,
    ) -> Result<Arc<Session<T>>, ServerError> {
        let mut sessions = self.current(now);
        self.check_room(&sessions, &key)?;
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

    /// A session. Finding it does not count as using it.
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
        Ok(Arc::clone(session))
    }

    /// The right to go on with a session, unless somebody has it.
    pub(crate) fn turn(
        &self,
        id: &SessionId,
        key: &KeyId,
        now: Instant,
    ) -> Result<Turn<T>, ServerError> {
        let session = self.find(id, key, now)?;
        let permit = Arc::clone(&session.turn).try_acquire_owned();
        let permit = permit.map_err(|error| match error {
            TryAcquireError::NoPermits => ServerError::SessionBusy,
            TryAcquireError::Closed => self.unknown(),
        })?;
        Ok(Turn {
            session,
            _permit: permit,
        })
    }

    /// Ends a session. Tokens that wait are not evaluated any more; of those under way, the one that has begun.
    pub(crate) fn close(
        &self,
        id: &SessionId,
        key: &KeyId,
        now: Instant,
    ) -> Result<(), ServerError> {
        let session = self.find(id, key, now)?;
        session.turn.close();
        self.current(now).remove(id);
        Ok(())
    }

    /// Fails if the session has been closed.
    pub(crate) fn check_open(&self, session: &Session<T>) -> Result<(), ServerError> {
        match session.turn.is_closed() {
            true => Err(self.unknown()),
            false => Ok(()),
        }
    }

    /// Frees the memory of expired sessions, again and again: nobody may come to ask for them.
    pub(crate) async fn sweep_every(&self, period: Duration) -> Infallible {
        loop {
            tokio::time::sleep(period).await;
            drop(self.current(Instant::now()));
        }
    }

    /// Fails if there is no room for another session of this key.
    fn check_room(&self, sessions: &ById<T>, key: &KeyId) -> Result<(), ServerError> {
        let minutes = self.minutes();
        let of_key = sessions.values().filter(|other| other.key == *key).count();
        if of_key >= SESSIONS_PER_KEY {
            let limit = SESSIONS_PER_KEY;
            return Err(ServerError::TooManySessionsOfKey { limit, minutes });
        }
        match sessions.len() < self.limit {
            true => Ok(()),
            false => Err(ServerError::TooManySessions { minutes }),
        }
    }

    /// The sessions that have not expired; the others are dropped.
    fn current(&self, now: Instant) -> MutexGuard<'_, ById<T>> {
        let mut sessions = lock(&self.by_id);
        sessions.retain(|_, session| session.idle_at(now) < self.idle);
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
    /// Whether tokens are being evaluated, or wait for it.
    pub(crate) fn is_busy(&self) -> bool {
        self.turn.available_permits() == 0
    }

    /// What it remembers. To be held for a moment only.
    pub(crate) fn content(&self) -> MutexGuard<'_, T> {
        lock(&self.content)
    }

    /// How long it has done nothing.
    fn idle_at(&self, now: Instant) -> Duration {
        match self.is_busy() {
            true => Duration::ZERO,
            false => now.saturating_duration_since(*lock(&self.last_used)),
        }
    }
}

impl<T> Turn<T> {
    /// The session.
    pub(crate) fn session(&self) -> &Session<T> {
        &self.session
    }

    /// Changes what the session remembers after its tokens were evaluated: this is what counts as using it.
    pub(crate) fn advance(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.session.content());
        *lock(&self.session.last_used) = Instant::now();
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
    fn asking_does_not_keep_a_session() {
        let (sessions, now) = sessions(4);
        let session = sessions.open(key(1), (), now).expect("room");
        let almost = now + IDLE - Duration::from_secs(1);
        assert!(sessions.find(&session.id, &key(1), almost).is_ok());
        drop(sessions.turn(&session.id, &key(1), almost));
        let left = sessions.remaining(&session, almost);
        assert_eq!(left, Duration::from_secs(1));
        assert!(is_unknown(sessions.find(&session.id, &key(1), now + IDLE)));
    }

    #[test]
    fn new_tokens_keep_a_session() {
        let (sessions, now) = sessions(4);
        // Advancing reads the clock itself.
        let before = now - Duration::from_secs(59);
        let session = sessions.open(key(1), (), before).expect("room");
        let turn = sessions.turn(&session.id, &key(1), now).expect("free");
        turn.advance(|()| ());
        drop(turn);
        let later = now + IDLE - Duration::from_secs(1);
        assert!(sessions.find(&session.id, &key(1), later).is_ok());
    }

    #[tokio::test]
    async fn sweeping_frees_expired_sessions_that_nobody_asks_for() {
        let sessions = Sessions::new(4, Duration::ZERO);
        let content = Arc::new(());
        let opened = sessions.open(key(1), Arc::clone(&content), Instant::now());
        drop(opened.expect("room"));
        let sweeping = sessions.sweep_every(Duration::from_millis(1));
        let freed = async {
            while Arc::strong_count(&content) > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            never = sweeping => match never {},
            () = freed => {}
        }
    }

    #[test]
    fn a_closed_session_gives_no_turns_and_calls_back_those_it_gave() {
        let (sessions, now) = sessions(4);
        let session = sessions.open(key(1), (), now).expect("room");
        let turn = sessions.turn(&session.id, &key(1), now).expect("free");
        assert!(sessions.check_open(turn.session()).is_ok());
        sessions.close(&session.id, &key(1), now).expect("there");
        assert!(is_unknown(sessions.check_open(turn.session())));
        drop(turn);
        assert!(is_unknown(sessions.turn(&session.id, &key(1), now)));
    }

    #[test]
    fn a_session_at_work_does_not_expire_and_takes_no_second_turn() {
        let (sessions, now) = sessions(4);
        let session = sessions.open(key(1), (), now).expect("room");
        let ask = || sessions.turn(&session.id, &key(1), now);
        let turn = ask().expect("free");
        assert!(session.is_busy());
        assert!(matches!(ask(), Err(ServerError::SessionBusy)));
        let later = now + 10 * IDLE;
        assert!(sessions.find(&session.id, &key(1), later).is_ok());
        drop(turn);
        assert!(!session.is_busy() && ask().is_ok());
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
        let more = sessions.open(key(1), (), now);
        let limit = SESSIONS_PER_KEY;
        assert!(
            matches!(more, Err(ServerError::TooManySessionsOfKey { limit: l, minutes: 1 }) if l == limit)
        );
        assert!(sessions.open(key(2), (), now).is_ok());
    }
}
