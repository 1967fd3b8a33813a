//! Which evaluations run, and how many wait.

use std::sync::Arc;

use cipherformer_circuit::{Observer, Progress, evaluate};
use cipherformer_fhe::{Counters, Encrypted, EncryptedBag, PreparedCircuit};
use cipherformer_protocol::KeyId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cache::KeyCache;
use crate::error::ServerError;

/// Runs evaluations, a bounded number at a time, a bounded number waiting.
#[derive(Debug)]
pub(crate) struct Scheduler {
    keys: Arc<KeyCache>,
    /// One permit for each evaluation that may run or wait.
    places: Arc<Semaphore>,
    /// One permit for each that may run.
    workers: Arc<Semaphore>,
}

/// An evaluation that was asked for.
pub(crate) struct Job {
    pub(crate) circuit: Arc<PreparedCircuit>,
    pub(crate) key: KeyId,
    pub(crate) input: EncryptedBag,
}

/// A finished evaluation.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) output: Vec<u8>,
    pub(crate) server_ms: f64,
    pub(crate) counters: Counters,
}

/// A place in the queue; given up when dropped.
pub(crate) struct Place(OwnedSemaphorePermit);

/// Called from worker threads with LUTs done and LUTs in all.
pub(crate) type Report = Arc<dyn Fn(usize, usize) + Send + Sync>;

impl Scheduler {
    pub(crate) fn new(keys: Arc<KeyCache>, workers: usize, queue: usize) -> Self {
        Self {
            keys,
            places: Arc::new(Semaphore::new(workers + queue)),
            workers: Arc::new(Semaphore::new(workers)),
        }
    }

    /// Takes a place in the queue, at once or not at all.
    pub(crate) fn enter(&self) -> Result<Place, ServerError> {
        let permit = Arc::clone(&self.places).try_acquire_owned();
        permit.map(Place).map_err(|_| ServerError::Busy)
    }

    /// Waits for a worker and evaluates. Dropping the future before a worker is free gives up the
    /// place; after that the evaluation runs to its end.
    pub(crate) async fn run(
        &self,
        place: Place,
        job: Job,
        report: Report,
    ) -> Result<Done, ServerError> {
        let worker = Arc::clone(&self.workers).acquire_owned().await;
        let worker = worker.map_err(|_| ServerError::Internal)?; // closed: never
        let keys = Arc::clone(&self.keys);
        let evaluation = tokio::task::spawn_blocking(move || {
            let _held = (place.0, worker);
            run(&keys, &job, report)
        });
        evaluation.await.unwrap_or_else(|panic| {
            tracing::error!("an evaluation panicked: {panic}");
            Err(ServerError::Internal)
        })
    }
}

fn run(keys: &KeyCache, job: &Job, report: Report) -> Result<Done, ServerError> {
    let key = keys.get(&job.key)?;
    let start = std::time::Instant::now();
    let mut engine = Encrypted::new(&job.circuit, &key).map_err(|_| ServerError::WrongParameterSet {
        needed: job.circuit.circuit().parameters().name,
        got: key.parameters().name.to_owned(),
    })?;
    let output = evaluate(job.circuit.circuit(), &mut engine, &job.input, &Reporter(report))
        .map_err(ServerError::BadInput)?;
    Ok(Done {
        output: output.to_bytes(),
        server_ms: start.elapsed().as_secs_f64() * 1e3,
        counters: engine.counters(),
    })
}

struct Reporter(Report);

impl Observer<Encrypted<'_>> for Reporter {
    fn progress(&self, progress: Progress<'_>) {
        (self.0)(progress.luts_done, progress.luts_total);
    }
}
