//! Sessions: what has been evaluated of a text so far.
//!
//! The store has them all, and what it has is what counts: tokens are answered when the state after them is on
//! disk, so that a text goes on after a crash at any moment. Those used last are in memory too.
//!
//! A session belongs to an evaluation key, and its id is a secret between server and client. It ends
//! when it is closed, or some minutes after its last token: clients then send their tokens again. Only tokens
//! that were evaluated keep it, and there are only so many positions, so that asking cannot keep it forever.

mod memory;
mod text;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cipherformer_circuit::State;
use cipherformer_fhe::{Packed, PreparedCircuit, state_limit};
use cipherformer_protocol::{EvaluationResult, SessionId};

use crate::blocking::blocking;
use crate::circuits::Circuits;
use crate::error::ServerError;
use crate::owner::Registration;
use crate::store::{SessionLimits, Store, Time};
use memory::Memory;
use text::Text;

/// One session, in memory.
pub(crate) type Session = memory::Session<Text>;
/// The right to evaluate the next tokens of a session.
pub(crate) type Turn = memory::Turn<Text>;

/// One key cannot take all sessions.
pub(crate) const SESSIONS_PER_KEY: usize = 16;

/// So many are kept in memory, about half a megabyte each.
const IN_MEMORY: usize = 32;

/// Every session there is, up to a limit.
#[derive(Debug)]
pub(crate) struct Sessions {
    limit: usize,
    idle: Duration,
    circuits: Arc<Circuits>,
    store: Arc<Store>,
    memory: Memory<Text>,
    /// Held while a session moves from disk to memory, or goes: what goes must not come back.
    moves: Mutex<()>,
}

impl Sessions {
    /// Room for `limit` sessions, each of which ends after being idle, without new tokens, for so long.
    pub(crate) fn new(
        limit: usize,
        idle: Duration,
        circuits: Arc<Circuits>,
        store: Arc<Store>,
    ) -> Self {
        Self {
            limit,
            idle,
            circuits,
            store,
            memory: Memory::new(IN_MEMORY),
            moves: Mutex::default(),
        }
    }

    /// After how long without new tokens this session ends.
    pub(crate) fn remaining(&self, session: &Session) -> Duration {
        self.idle.saturating_sub(session.idle_at(Time::now()))
    }

    /// A new session for a key. Those that have expired make room. Blocks.
    pub(crate) fn open(
        &self,
        key: Registration,
        circuit: &Arc<PreparedCircuit>,
    ) -> Result<Arc<Session>, ServerError> {
        let now = Time::now();
        self.expire(now)?;
        let id = SessionId::new(rand::random());
        let text = Text::new(circuit);
        let limits = SessionLimits {
            all: self.limit,
            of_key: SESSIONS_PER_KEY,
            minutes: self.minutes(),
        };
        let row = text.to_row(id.clone(), key.clone(), now);
        let expected = state_limit(circuit.circuit());
        self.store.insert_session(&row, limits, expected)?;
        Ok(self.memory.insert(Session::new(id, key, text, now)))
    }

    /// A session. Finding it does not count as using it.
    ///
    /// Under another key it is as unknown as one that never was: what an id stands for is nobody's
    /// business but the client's who opened the session.
    pub(crate) async fn find(
        self: &Arc<Self>,
        id: &SessionId,
        key: &Registration,
    ) -> Result<Arc<Session>, ServerError> {
        if let Some(session) = self.memory.get(id) {
            return self.current(session, key);
        }
        let (sessions, id, key) = (Arc::clone(self), id.clone(), key.clone());
        blocking(move || sessions.load(&id, &key)).await
    }

    /// The right to go on with a session, unless somebody has it.
    pub(crate) async fn turn(
        self: &Arc<Self>,
        id: &SessionId,
        key: &Registration,
    ) -> Result<Turn, ServerError> {
        let session = self.find(id, key).await?;
        match session.turn() {
            Some(turn) => Ok(turn),
            None if session.is_closed() => Err(self.unknown()),
            None => Err(ServerError::SessionBusy),
        }
    }

    /// Ends a session. Tokens that wait are not evaluated any more; of those under way, the one that has begun.
    pub(crate) async fn close(
        self: &Arc<Self>,
        id: &SessionId,
        key: &Registration,
    ) -> Result<(), ServerError> {
        let session = self.find(id, key).await?;
        session.close();
        let sessions = Arc::clone(self);
        blocking(move || {
            let _moves = sessions.moves();
            sessions.memory.remove(&session.id);
            match sessions.store.delete_session(&session.id, &session.key)? {
                true => Ok(()),
                false => Err(sessions.unknown()),
            }
        })
        .await
    }

    /// Lets go of the sessions of a key that is going. Tokens that wait for them are not evaluated any more.
    pub(crate) fn forget_key(&self, key: &Registration) {
        let _moves = self.moves();
        self.memory
            .remove_if(|session| session.key == *key, Session::close);
    }

    /// Fails if the session has been closed.
    pub(crate) fn check_open(&self, session: &Session) -> Result<(), ServerError> {
        match session.is_closed() {
            true => Err(self.unknown()),
            false => Ok(()),
        }
    }

    /// Takes a session on, in one step, after its tokens were evaluated: this is what counts as using it. When this
    /// returns, it is on disk. Blocks.
    pub(crate) fn advance(
        &self,
        turn: &Turn,
        state: State<Packed>,
        result: &EvaluationResult,
    ) -> Result<(), ServerError> {
        let (session, now) = (turn.session(), Time::now());
        let circuit = Arc::clone(&session.content().circuit);
        let text = Text {
            circuit,
            state,
            last: Some(result.clone()),
        };
        let row = text.to_row(session.id.clone(), session.key.clone(), now);
        if !self.store.update_session(&row)? {
            self.memory.remove(&session.id);
            return Err(self.unknown());
        }
        session.advance(text, now);
        Ok(())
    }

    /// Removes sessions that have expired: nobody may come to ask for them. Blocks.
    pub(crate) fn expire(&self, now: Time) -> Result<(), ServerError> {
        let _moves = self.moves();
        let expired = |session: &Session| session.idle_at(now) >= self.idle;
        self.memory.remove_if(expired, |_| ());
        let busy: HashSet<SessionId> = self.memory.busy();
        self.store
            .delete_sessions_before(now.before(self.idle), &busy)
    }

    /// Fetches a session from disk.
    fn load(&self, id: &SessionId, key: &Registration) -> Result<Arc<Session>, ServerError> {
        let _moves = self.moves();
        if let Some(session) = self.memory.get(id) {
            return self.current(session, key);
        }
        let row = self.store.session(id, key)?;
        let row = row.ok_or_else(|| self.unknown())?;
        let last_used = row.last_used;
        if Time::now().since(last_used) >= self.idle {
            return Err(self.unknown());
        }
        let Some(circuit) = self.circuit(&row.circuit, &row.digest) else {
            // Of another version of the circuit: of no use to anybody.
            self.store.delete_session(id, key)?;
            return Err(self.unknown());
        };
        match Text::from_row(&row, circuit) {
            Some(text) => {
                let session = Session::new(id.clone(), key.clone(), text, last_used);
                Ok(self.memory.insert(session))
            }
            None => {
                self.store.report_damaged_session(id, key);
                Err(self.unknown())
            }
        }
    }

    fn circuit(&self, name: &str, digest: &str) -> Option<&Arc<PreparedCircuit>> {
        let circuit = self.circuits.get(name).ok()?;
        (circuit.circuit().manifest().digest == digest).then_some(circuit)
    }

    /// A session in memory, if it is of this key, has not ended, and the store has it still.
    fn current(
        &self,
        session: Arc<Session>,
        key: &Registration,
    ) -> Result<Arc<Session>, ServerError> {
        let there = session.key == *key
            && !session.is_closed()
            && session.idle_at(Time::now()) < self.idle
            && self.store.has_session(&session.id, key)?;
        there.then_some(session).ok_or_else(|| self.unknown())
    }

    fn unknown(&self) -> ServerError {
        ServerError::UnknownSession {
            minutes: self.minutes(),
        }
    }

    fn minutes(&self) -> u64 {
        self.idle.as_secs() / 60
    }

    fn moves(&self) -> MutexGuard<'_, ()> {
        self.moves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
