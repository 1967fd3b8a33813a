//! Evaluations: from a checked request to its result.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cipherformer_circuit::{ParameterSet, State, evaluate_next};
use cipherformer_fhe::{
    Encrypted, EncryptedBag, EncryptedScores, EvaluationKey, FheError, Packed, PreparedCircuit,
};
use cipherformer_protocol::{EvaluationResult, KeyId, Progress};

use crate::budget::Spending;
use crate::error::ServerError;
use crate::leave::Waiting;
use crate::metrics::Outcome;
use crate::owner::{Owner, Registration};
use crate::schedule::Place;
use crate::service::Service;
use crate::sessions::Turn;
use crate::store::{Hold, Time, short};
use crate::watch::Watch;

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

/// An evaluation whose turn has come.
struct Job {
    service: Arc<Service>,
    request: Request,
    /// Keeps the key on disk.
    _hold: Hold,
    watch: Arc<Watch>,
    /// Set when the client of a whole text has left.
    left: Arc<AtomicBool>,
}

impl Request {
    /// Whose registration of the key it uses.
    pub(crate) fn registration(&self) -> Registration {
        self.owner.of(self.key.clone())
    }

    /// What has been evaluated before.
    fn state(&self) -> State<Packed> {
        match &self.turn {
            Some(turn) => turn.session().content().state.clone(),
            None => State::new(self.circuit.circuit()),
        }
    }

    /// The positions that it evaluates.
    fn positions(&self) -> Range<usize> {
        let turn = self.turn.as_ref();
        let start = turn.map_or(0, |turn| turn.session().content().state.position());
        start..start + self.inputs.len()
    }
}

impl Service {
    /// Evaluates when it is its turn, telling `watch` how far it is.
    ///
    /// Dropped while it waits, nothing is evaluated. Dropped later, the evaluation of a whole text stops
    /// after the operation at hand; tokens of a session are evaluated to their end, as their answer can be
    /// fetched.
    pub(crate) async fn evaluate(
        self: Arc<Self>,
        request: Request,
        place: Place,
        watch: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<EvaluationResult, ServerError> {
        let (circuit, metrics) = (request.circuit.circuit(), Arc::clone(&self.metrics));
        let watch = Watch::new(circuit, request.positions(), watch, metrics);
        let watch = Arc::new(watch);
        let waiting = Waiting::default();
        let job = Job {
            left: match request.turn {
                Some(_) => Arc::default(),
                None => waiting.has_left(),
            },
            _hold: self.store.hold(&request.key),
            watch: Arc::clone(&watch),
            service: Arc::clone(&self),
            request,
        };
        let asked = Instant::now();
        let run = move || {
            job.service.metrics.waited(asked.elapsed());
            job.run()
        };
        let told = move |position| watch.waiting(position);
        self.scheduler.run(place, told, run).await?
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
            let took = start.elapsed();
            self.metrics.expanded(took);
            let ms = (took.as_secs_f64() * 1000.0).round();
            tracing::info!(key = short(id), ms, "expanded a key");
            Ok(key)
        })
    }
}

impl Job {
    /// Evaluates, and counts how it ended.
    fn run(&self) -> Result<EvaluationResult, ServerError> {
        let name = &self.request.circuit.circuit().manifest().name;
        let done = self.evaluate();
        let outcome = match &done {
            Ok(result) => Outcome::Done(Duration::from_secs_f64(result.server_ms / 1000.0)),
            Err(ServerError::Stopped | ServerError::UnknownSession { .. }) => {
                tracing::info!(circuit = name, "stopped: nobody waits for it any more");
                Outcome::Stopped
            }
            Err(_) => Outcome::Failed,
        };
        self.service.metrics.evaluated(name, outcome);
        done
    }

    fn evaluate(&self) -> Result<EvaluationResult, ServerError> {
        self.check_wanted()?;
        let (service, request) = (&self.service, &self.request);
        let registration = request.registration();
        service.store.touch(&registration, Time::now());
        self.watch.preparing();
        let circuit = request.circuit.circuit();
        // It may have been deleted while the request waited.
        service.check_key(&registration, circuit.parameters())?;
        let key = service.expanded_key(&request.key, circuit.parameters())?;
        self.check_wanted()?;
        self.watch.evaluating();
        let start = Instant::now();
        let engine = Encrypted::new(&request.circuit, &key).map_err(failure)?;
        let mut engine = engine.stopped_by(&self.left);
        let (state, output) = self.positions(&mut engine)?;
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
        self.finish(state, &result)?;
        Ok(result)
    }

    /// Evaluates every input, after what its session has seen before; the last output counts.
    fn positions(
        &self,
        engine: &mut Encrypted<'_>,
    ) -> Result<(State<Packed>, EncryptedScores), ServerError> {
        let circuit = self.request.circuit.circuit();
        let mut state = self.request.state();
        let mut positions = self.watch.positions(circuit);
        let mut output = None;
        for input in &self.request.inputs {
            self.check_wanted()?;
            let position = positions.next(state.position());
            let next = evaluate_next(circuit, engine, &mut state, input, &position);
            output = Some(next.map_err(failure)?);
        }
        Ok((state, output.expect("requests have at least one input")))
    }

    /// Lets the session advance, if there is one, in one step, and the owner pay: after everything went well, and
    /// on disk before anybody hears of it.
    fn finish(&self, state: State<Packed>, result: &EvaluationResult) -> Result<(), ServerError> {
        if let Some(turn) = &self.request.turn {
            self.service.sessions.advance(turn, state, result)?;
        }
        if let Some(spending) = &self.request.spending {
            spending.settle(Time::now())?;
        }
        Ok(())
    }

    /// Fails if the client has left, or the session was closed: work for nobody would keep others waiting.
    fn check_wanted(&self) -> Result<(), ServerError> {
        match &self.request.turn {
            Some(turn) => self.service.sessions.check_open(turn.session()),
            None if self.left.load(Ordering::Relaxed) => Err(ServerError::Stopped),
            None => Ok(()),
        }
    }
}

/// But for being stopped, the engine has no reason to refuse: everything was checked before.
fn failure(error: FheError) -> ServerError {
    if error == FheError::Stopped {
        return ServerError::Stopped;
    }
    tracing::error!(%error, "the engine refused what was checked before");
    ServerError::Internal
}
