//! What is done for a request, apart from HTTP.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use cipherformer_circuit::{self as circuit, Observer, ParameterSet, evaluate, parameters};
use cipherformer_fhe::{Encrypted, EncryptedBag, EvaluationKey, FheError, PreparedCircuit};
use cipherformer_protocol::{EvaluationResult, KeyId, KeyInfo, Progress};

use crate::circuits::Circuits;
use crate::config::Config;
use crate::error::{ServerError, StartError};
use crate::keys::KeyCache;
use crate::schedule::{Place, Scheduler};
use crate::store::{KeyStore, short};

// Steps of an evaluation, as clients see them: no names of layers.
const WAITING: &str = "waiting for a turn";
const PREPARING: &str = "preparing the key";
const EVALUATING: &str = "evaluating";

/// Everything the server holds.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) circuits: Circuits,
    pub(crate) store: Arc<KeyStore>,
    pub(crate) scheduler: Scheduler,
    keys: KeyCache,
}

/// A checked request for an evaluation.
pub(crate) struct Request {
    pub(crate) circuit: Arc<PreparedCircuit>,
    pub(crate) key: KeyId,
    pub(crate) input: EncryptedBag,
}

impl Service {
    /// Loads circuits, opens the store.
    pub(crate) fn new(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            circuits: Circuits::load(&config.circuits, config.allow_insecure)?,
            store: Arc::new(KeyStore::open(&config.data_dir)?),
            scheduler: Scheduler::new(config.workers, config.queue),
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

    /// Evaluates when it is its turn, telling `watch` how far it is.
    pub(crate) async fn evaluate(
        self: Arc<Self>,
        request: Request,
        place: Place,
        watch: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<EvaluationResult, ServerError> {
        let watch = Watch::new(watch, request.circuit.circuit().luts(0));
        watch.step(WAITING);
        let service = Arc::clone(&self);
        let job = move || service.evaluate_now(&request, &watch);
        self.scheduler.run(place, job).await?
    }

    fn evaluate_now(
        &self,
        request: &Request,
        watch: &Watch,
    ) -> Result<EvaluationResult, ServerError> {
        watch.step(PREPARING);
        let circuit = request.circuit.circuit();
        let key = self.expanded_key(&request.key, circuit.parameters())?;
        watch.step(EVALUATING);
        let start = Instant::now();
        let mut engine = Encrypted::new(&request.circuit, &key).map_err(bug)?;
        let output = evaluate(circuit, &mut engine, &request.input, watch).map_err(bug)?;
        let counters = engine.counters();
        let server_ms = start.elapsed().as_micros() as f64 / 1000.0;
        tracing::info!(
            circuit = circuit.manifest().name,
            key = short(&request.key),
            ms = server_ms.round(),
            luts = counters.luts,
            "evaluated"
        );
        Ok(EvaluationResult {
            server_ms,
            luts: counters.luts,
            ring_products: counters.ring_products,
            output: output.to_bytes(),
        })
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

/// The parameter set of this name.
pub(crate) fn parameter_set(name: &str) -> Result<&'static ParameterSet, ServerError> {
    parameters::by_name(name).ok_or_else(|| ServerError::UnknownParameterSet {
        name: name.chars().take(64).collect(),
        known: parameters::names(),
    })
}

/// Passes on how far an evaluation is; never goes backwards, though many threads report.
struct Watch {
    watch: Box<dyn Fn(Progress) + Send + Sync>,
    /// Held while a report is passed on, so that they arrive in order.
    luts_done: Mutex<usize>,
    luts_total: usize,
}

impl Watch {
    fn new(watch: impl Fn(Progress) + Send + Sync + 'static, luts_total: usize) -> Self {
        Self {
            watch: Box::new(watch),
            luts_done: Mutex::default(),
            luts_total,
        }
    }

    fn step(&self, step: &str) {
        self.send(step, 0);
    }

    fn send(&self, step: &str, luts_done: usize) {
        (self.watch)(Progress {
            step: step.to_owned(),
            luts_done,
            luts_total: self.luts_total,
        });
    }
}

impl Observer<Encrypted<'_>> for Watch {
    fn progress(&self, progress: circuit::Progress<'_>) {
        let mut before = self
            .luts_done
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if progress.luts_done > *before {
            *before = progress.luts_done;
            self.send(EVALUATING, progress.luts_done);
        }
    }
}

/// Everything was checked before, so the engine has no reason to refuse.
fn bug(error: FheError) -> ServerError {
    tracing::error!(%error, "the engine refused what was checked before");
    ServerError::Internal
}
