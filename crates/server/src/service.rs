//! What is done for a request, apart from HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cipherformer_circuit::{InputKind, ParameterSet, State, evaluate_next};
use cipherformer_fhe::{
    Encrypted, EncryptedBag, EncryptedScores, EvaluationKey, FheError, Packed, PreparedCircuit,
};
use cipherformer_protocol::{EvaluationResult, KeyId, KeyInfo, Progress};

use crate::blocking::blocking;
use crate::budget::{Budget, Spending};
use crate::circuits::Circuits;
use crate::config::Config;
use crate::error::{ServerError, StartError};
use crate::keys::KeyCache;
use crate::owner::{Owner, Registration};
use crate::schedule::{Place, Scheduler};
use crate::sessions::{Session, Sessions, Turn};
use crate::store::{Hold, Limits, Store, Time, short};
use crate::watch::Watch;

const MEGABYTE: u64 = 1 << 20;
const DAY: u64 = 24 * 60 * 60;

/// Everything the server holds.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) circuits: Arc<Circuits>,
    pub(crate) store: Arc<Store>,
    pub(crate) scheduler: Scheduler,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) budget: Arc<Budget>,
    keys: KeyCache,
}

/// A checked request for an evaluation.
pub(crate) struct Request {
    pub(crate) circuit: Arc<PreparedCircuit>,
    pub(crate) owner: Owner,
    pub(crate) key: KeyId,
    /// One for each position that is to be evaluated.
    pub(crate) inputs: Vec<EncryptedBag>,
    /// The session that goes on, if it is not an evaluation of its own.
    pub(crate) turn: Option<Turn>,
    /// What its owner pays for it, once it went well.
    pub(crate) spending: Option<Spending>,
}

impl Request {
    /// What has been evaluated before.
    fn state(&self) -> State<Packed> {
        match &self.turn {
            Some(turn) => turn.session().content().state.clone(),
            None => State::new(self.circuit.circuit()),
        }
    }

    /// How many LUTs it takes.
    fn luts(&self) -> usize {
        let turn = self.turn.as_ref();
        let start = turn.map_or(0, |turn| turn.session().content().state.position());
        let positions = start..start + self.inputs.len();
        positions.map(|p| self.circuit.circuit().luts(p)).sum()
    }

    fn registration(&self) -> Registration {
        self.owner.of(self.key.clone())
    }
}

impl Service {
    /// Loads circuits, opens the store.
    pub(crate) fn new(config: &Config) -> Result<Self, StartError> {
        let circuits = Circuits::load(&config.circuits, &config.policies(), config.allow_insecure)?;
        let circuits = Arc::new(circuits);
        let limits = Limits {
            disk: config.disk_mb.saturating_mul(MEGABYTE),
            key_age: Duration::from_secs(config.key_days.saturating_mul(DAY)),
            keys_per_owner: config.keys_per_owner,
        };
        let store = Store::open(&config.data_dir, circuits.parameter_sets(), limits)?;
        Ok(Self {
            scheduler: Scheduler::new(config.workers, config.queue),
            sessions: Arc::new(Sessions::new(
                config.sessions,
                Duration::from_secs(config.session_minutes.saturating_mul(60)),
                Arc::clone(&circuits),
                Arc::clone(&store),
            )),
            budget: Arc::new(Budget::new(Arc::clone(&store))),
            circuits,
            store,
            keys: KeyCache::new(config.key_memory_mb.saturating_mul(1 << 20)),
        })
    }

    /// What is known of a registered key.
    pub(crate) fn key_info(&self, key: &Registration) -> Result<KeyInfo, ServerError> {
        let id = key.id.clone();
        match self.store.find(key)? {
            Some(stored) => Ok(KeyInfo {
                id,
                parameter_set: stored.parameters.name.to_owned(),
                bytes: stored.bytes,
            }),
            None => Err(ServerError::UnknownKey { id }),
        }
    }

    /// Deletes a key and all that belongs to it. What is being evaluated under it may still be answered.
    pub(crate) async fn delete_key(self: Arc<Self>, key: Registration) -> Result<(), ServerError> {
        blocking(move || {
            self.sessions.forget_key(&key);
            let deleted = self.store.delete_key(&key)?;
            self.keys
                .retain(|id| *id != key.id || self.is_registered(id));
            match deleted {
                true => Ok(()),
                false => Err(ServerError::UnknownKey { id: key.id }),
            }
        })
        .await
    }

    /// Removes what is old, again and again: on disk and in memory.
    pub(crate) async fn sweep_every(self: &Arc<Self>, period: Duration) -> Infallible {
        loop {
            tokio::time::sleep(period).await;
            let service = Arc::clone(self);
            let swept = blocking(move || service.sweep(Time::now())).await;
            if let Err(error) = swept {
                tracing::error!(%error, "what is old cannot be removed");
            }
        }
    }

    /// Does so once. Blocks.
    pub(crate) fn sweep(&self, now: Time) -> Result<(), ServerError> {
        let expired = self.sessions.expire(now);
        self.store.sweep(now)?;
        self.keys.retain(|id| self.is_registered(id));
        expired
    }

    /// If that cannot be known, an expanded key does no harm where it is.
    fn is_registered(&self, id: &KeyId) -> bool {
        self.store.is_registered(id).unwrap_or(true)
    }

    /// Fails unless the key is registered and fits these parameters.
    pub(crate) fn check_key(
        &self,
        key: &Registration,
        expected: &'static ParameterSet,
    ) -> Result<(), ServerError> {
        match self.store.find(key)?.map(|stored| stored.parameters) {
            Some(got) if got == expected => Ok(()),
            Some(got) => Err(ServerError::WrongKey {
                expected: expected.name,
                got: got.name,
            }),
            None => Err(ServerError::UnknownKey { id: key.id.clone() }),
        }
    }

    /// A circuit that takes such inputs, if it is the one the client means and the key fits.
    pub(crate) fn circuit_for(
        &self,
        name: &str,
        kind: InputKind,
        digest: &str,
        key: &Registration,
    ) -> Result<&Arc<PreparedCircuit>, ServerError> {
        let prepared = self.circuits.get(name)?;
        let manifest = prepared.circuit().manifest();
        if manifest.input.kind != kind {
            return Err(ServerError::WrongOperation {
                name: manifest.name.clone(),
                kind: manifest.input.kind,
            });
        }
        if manifest.digest != digest {
            return Err(ServerError::StaleCircuit {
                name: manifest.name.clone(),
                current: manifest.digest.clone(),
            });
        }
        self.check_key(key, prepared.circuit().parameters())?;
        Ok(prepared)
    }

    /// A session of a circuit that has seen no token yet.
    pub(crate) async fn open_session(
        &self,
        circuit: &Arc<PreparedCircuit>,
        key: Registration,
    ) -> Result<Arc<Session>, ServerError> {
        let (sessions, circuit) = (Arc::clone(&self.sessions), Arc::clone(circuit));
        // Room is made for the session, but not at the price of its key.
        let (store, hold) = (Arc::clone(&self.store), self.store.hold(&key.id));
        blocking(move || {
            let _hold = hold;
            store.touch(&key, Time::now());
            sessions.open(key, &circuit)
        })
        .await
    }

    /// Evaluates when it is its turn, telling `watch` how far it is.
    pub(crate) async fn evaluate(
        self: Arc<Self>,
        request: Request,
        place: Place,
        watch: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<EvaluationResult, ServerError> {
        let watch = Watch::new(watch, request.luts());
        watch.waiting();
        let hold = self.store.hold(&request.key);
        let service = Arc::clone(&self);
        let job = move || service.evaluate_now(&request, &hold, &watch);
        self.scheduler.run(place, job).await?
    }

    fn evaluate_now(
        &self,
        request: &Request,
        _hold: &Hold,
        watch: &Watch,
    ) -> Result<EvaluationResult, ServerError> {
        self.check_wanted(request)?;
        let registration = request.registration();
        self.store.touch(&registration, Time::now());
        watch.preparing();
        let circuit = request.circuit.circuit();
        // It may have been deleted while the request waited.
        self.check_key(&registration, circuit.parameters())?;
        let key = self.expanded_key(&request.key, circuit.parameters())?;
        watch.evaluating();
        let start = Instant::now();
        let mut engine = Encrypted::new(&request.circuit, &key).map_err(bug)?;
        let (state, output) = self.run(request, &mut engine, watch)?;
        let counters = engine.counters();
        let server_ms = start.elapsed().as_micros() as f64 / 1000.0;
        tracing::info!(
            circuit = circuit.manifest().name,
            key = short(&request.key),
            ms = server_ms.round(),
            luts = counters.luts,
            "evaluated"
        );
        let result = EvaluationResult {
            server_ms,
            luts: counters.luts,
            ring_products: counters.ring_products,
            position: request.turn.as_ref().map(|_| state.position()),
            output: output.to_bytes(),
        };
        self.finish(request, state, &result)?;
        Ok(result)
    }

    /// Lets the session advance, if there is one, in one step, and the owner pay: after everything went well, and
    /// on disk before anybody hears of it.
    fn finish(
        &self,
        request: &Request,
        state: State<Packed>,
        result: &EvaluationResult,
    ) -> Result<(), ServerError> {
        if let Some(turn) = &request.turn {
            self.sessions.advance(turn, state, result)?;
        }
        if let Some(spending) = &request.spending {
            spending.settle(Time::now())?;
        }
        Ok(())
    }

    /// Evaluates every input of a request, after what its session has seen before; the last output counts.
    fn run(
        &self,
        request: &Request,
        engine: &mut Encrypted<'_>,
        watch: &Watch,
    ) -> Result<(State<Packed>, EncryptedScores), ServerError> {
        let circuit = request.circuit.circuit();
        let mut state = request.state();
        let mut output = None;
        for input in &request.inputs {
            self.check_wanted(request)?;
            let position = watch.position(engine.counters().luts);
            let next = evaluate_next(circuit, engine, &mut state, input, &position);
            output = Some(next.map_err(bug)?);
        }
        Ok((state, output.expect("requests have at least one input")))
    }

    /// Fails if the session has been closed: work for nobody would keep others waiting.
    fn check_wanted(&self, request: &Request) -> Result<(), ServerError> {
        match &request.turn {
            Some(turn) => self.sessions.check_open(turn.session()),
            None => Ok(()),
        }
    }

    fn expanded_key(
        &self,
        id: &KeyId,
        parameters: &'static ParameterSet,
    ) -> Result<Arc<EvaluationKey>, ServerError> {
        let bytes = EvaluationKey::memory_bytes(parameters);
        self.keys.get(id, bytes, || {
            let start = Instant::now();
            let seeded = self.store.load(id, parameters)?;
            let key = EvaluationKey::expand(seeded, parameters);
            let ms = start.elapsed().as_millis();
            tracing::info!(key = short(id), ms, "expanded a key");
            Ok(key)
        })
    }
}

/// Everything was checked before, so the engine has no reason to refuse.
fn bug(error: FheError) -> ServerError {
    tracing::error!(%error, "the engine refused what was checked before");
    ServerError::Internal
}
