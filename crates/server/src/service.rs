//! What is done for a request, apart from HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cipherformer_circuit::{InputKind, ParameterSet, State, evaluate_next};
use cipherformer_fhe::{
    Encrypted, EncryptedBag, EncryptedScores, EvaluationKey, FheError, Packed, PreparedCircuit,
};
use cipherformer_protocol::{EvaluationResult, KeyId, KeyInfo, Progress};

use crate::circuits::Circuits;
use crate::config::Config;
use crate::error::{ServerError, StartError};
use crate::keys::KeyCache;
use crate::schedule::{Place, Scheduler};
use crate::sessions::{Session, Sessions, Text, Turn};
use crate::store::{KeyStore, short};
use crate::watch::Watch;

/// Everything the server holds.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) circuits: Circuits,
    pub(crate) store: Arc<KeyStore>,
    pub(crate) scheduler: Scheduler,
    pub(crate) sessions: Sessions,
    keys: KeyCache,
}

/// A checked request for an evaluation.
pub(crate) struct Request {
    pub(crate) circuit: Arc<PreparedCircuit>,
    pub(crate) key: KeyId,
    /// One for each position that is to be evaluated.
    pub(crate) inputs: Vec<EncryptedBag>,
    /// The session that goes on, if it is not an evaluation of its own.
    pub(crate) turn: Option<Turn>,
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

    /// Lets the session advance, if there is one: in one step, after everything went well.
    fn finish(&self, state: State<Packed>, result: &EvaluationResult) {
        if let Some(turn) = &self.turn {
            turn.advance(|text| {
                text.state = state;
                text.last = Some(result.clone());
            });
        }
    }
}

impl Service {
    /// Loads circuits, opens the store.
    pub(crate) fn new(config: &Config) -> Result<Self, StartError> {
        let circuits = Circuits::load(&config.circuits, &config.policies(), config.allow_insecure)?;
        Ok(Self {
            store: Arc::new(KeyStore::open(&config.data_dir, circuits.parameter_sets())?),
            circuits,
            scheduler: Scheduler::new(config.workers, config.queue),
            sessions: Sessions::new(
                config.sessions,
                Duration::from_secs(config.session_minutes.saturating_mul(60)),
            ),
            keys: KeyCache::new(config.key_memory_mb.saturating_mul(1 << 20)),
        })
    }

    /// What is known of a registered key.
    pub(crate) fn key_info(&self, id: &KeyId) -> Result<KeyInfo, ServerError> {
        let stored = self.store.find(id)?;
        let key = stored.ok_or_else(|| ServerError::UnknownKey { id: id.clone() })?;
        Ok(KeyInfo {
            id: id.clone(),
            parameter_set: key.parameters.name.to_owned(),
            bytes: key.bytes,
        })
    }

    /// Fails unless the key is registered and fits these parameters.
    pub(crate) fn check_key(
        &self,
        id: &KeyId,
        expected: &'static ParameterSet,
    ) -> Result<(), ServerError> {
        // Memory first: keys in use keep serving when the disk does not.
        let got = match self.keys.parameters(id) {
            Some(parameters) => Some(parameters),
            None => self.store.find(id)?.map(|key| key.parameters),
        };
        match got {
            Some(got) if got == expected => Ok(()),
            Some(got) => Err(ServerError::WrongKey {
                expected: expected.name,
                got: got.name,
            }),
            None => Err(ServerError::UnknownKey { id: id.clone() }),
        }
    }

    /// A circuit that takes such inputs, if it is the one the client means and the key fits.
    pub(crate) fn circuit_for(
        &self,
        name: &str,
        kind: InputKind,
        digest: &str,
        key: &KeyId,
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
    pub(crate) fn open_session(
        &self,
        circuit: &Arc<PreparedCircuit>,
        key: KeyId,
    ) -> Result<Arc<Session>, ServerError> {
        let text = Text {
            circuit: Arc::clone(circuit),
            state: State::new(circuit.circuit()),
            last: None,
        };
        self.sessions.open(key, text, Instant::now())
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
        let service = Arc::clone(&self);
        let job = move || service.evaluate_now(&request, &watch);
        self.scheduler.run(place, job).await?
    }

    fn evaluate_now(
        &self,
        request: &Request,
        watch: &Watch,
    ) -> Result<EvaluationResult, ServerError> {
        self.check_wanted(request)?;
        watch.preparing();
        let circuit = request.circuit.circuit();
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
        request.finish(state, &result);
        Ok(result)
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
        self.keys.get(id, parameters, bytes, || {
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
