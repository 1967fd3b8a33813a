//! A client of one server.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cipherformer_circuit::{InputKind, ParameterSet};
use cipherformer_protocol::{EvaluationResult, KeyId, ProblemKind, routes};
use tokio::sync::Mutex;

use crate::circuit::{PublicCircuit, Request};
use crate::classification::Classification;
use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::http::Http;
use crate::keys::{KeyHome, Keys};
use crate::lifecycle::blocking;
use crate::observer::{Activity, Observer, Wire};
use crate::patience::{self, Patience};

/// The first wait before a busy server that does not say when is asked again; later ones double.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A client of one server: fetches circuits, makes and registers keys, has texts evaluated.
///
/// May be shared between tasks.
pub struct Client {
    pub(crate) http: Http,
    pub(crate) home: KeyHome,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) known: Arc<Known>,
}

/// What need not be asked or read again. Circuits can be had while keys are made or sent.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) circuits: Mutex<HashMap<String, Arc<PublicCircuit>>>,
    keys: Mutex<KnownKeys>,
}

#[derive(Default)]
struct KnownKeys {
    pairs: HashMap<&'static str, Arc<Keys>>,
    registered: HashSet<KeyId>,
}

impl Client {
    /// Connects to a server, such as `http://127.0.0.1:8080`; keys are under `home`. An [`Endpoint`] also says whom to
    /// trust, and what token to show.
    ///
    /// # Errors
    /// An unusable address or CA, no server there, one that is not what it claims to be, or that asks for a token.
    pub async fn connect(
        server: impl Into<Endpoint>,
        home: KeyHome,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, ClientError> {
        let client = Self::new(&server.into(), home, observer)?;
        client.circuits().await?;
        Ok(client)
    }

    /// A client of a server that may not be there yet.
    pub(crate) fn new(
        server: &Endpoint,
        home: KeyHome,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, ClientError> {
        Ok(Self {
            http: Http::new(server)?,
            home,
            observer,
            known: Arc::default(),
        })
    }

    /// The same client, which tells another observer what it does. What one knows, the other knows.
    pub(crate) fn observed_by(&self, observer: Arc<dyn Observer>) -> Self {
        Self {
            http: self.http.clone(),
            home: self.home.clone(),
            observer,
            known: Arc::clone(&self.known),
        }
    }

    /// Encrypts a text, has the server evaluate it, and decrypts the answer. Makes and registers
    /// keys when missing.
    ///
    /// # Errors
    /// Whatever can go wrong; see [`ClientError`].
    pub async fn classify(&self, circuit: &str, text: &str) -> Result<Classification, ClientError> {
        let (_, classification) = self.classify_by(circuit, text).await?;
        Ok(classification)
    }

    /// As [`Client::classify`], with the circuit that answered: the server may have got another one meanwhile.
    pub(crate) async fn classify_by(
        &self,
        circuit: &str,
        text: &str,
    ) -> Result<(Arc<PublicCircuit>, Classification), ClientError> {
        if text.trim().is_empty() {
            return Err(ClientError::EmptyText);
        }
        match self.classify_once(circuit, text).await {
            Err(error) if error.problem() == Some(ProblemKind::StaleCircuit) => {
                self.forget_circuit(circuit).await;
                self.classify_once(circuit, text).await
            }
            outcome => outcome,
        }
    }

    /// The keys of a parameter set, read or made, and registered with the server.
    ///
    /// # Errors
    /// Files or network, or a server that refuses the key.
    pub async fn keys(&self, parameters: &'static ParameterSet) -> Result<Arc<Keys>, ClientError> {
        let mut known = self.known.keys.lock().await; // made and sent once, whoever else asks
        let keys = match known.pairs.get(parameters.name) {
            Some(keys) => Arc::clone(keys),
            None => {
                let keys = Arc::new(self.load_or_create(parameters).await?);
                known.pairs.insert(parameters.name, Arc::clone(&keys));
                keys
            }
        };
        let record = keys.record();
        if !known.registered.contains(&record.id) {
            match self.http.key(&record.id).await? {
                Some(_) => self.note(&record.id).await,
                None => self.register(&keys).await?,
            }
            known.registered.insert(record.id.clone());
        }
        Ok(keys)
    }

    /// Has a request evaluated under keys from [`Client::keys`]. Waits while the server is busy or stops, tries
    /// again a few times when the connection was lost, and registers the key again if the server has
    /// lost it.
    ///
    /// # Errors
    /// Network, a refusal, or an answer that makes no sense.
    pub async fn evaluate(
        &self,
        circuit: &PublicCircuit,
        keys: &Keys,
        request: &Request,
    ) -> Result<EvaluationResult, ClientError> {
        let manifest = circuit.manifest();
        let path = routes::evaluations(&manifest.name, &keys.record().id, &manifest.digest);
        let limit = circuit.response_limit();
        let observer = self.observer.as_ref();
        observer.wire(Wire::Sent(&request.bytes));
        let attempt = || {
            let request = request.bytes.clone();
            self.http.evaluate(&path, request, limit, observer)
        };
        let result = self.reconnecting(|| self.with_key(keys, &attempt)).await?;
        observer.wire(Wire::Received(&result.output));
        Ok(result)
    }

    /// Tries patiently, and again with the key registered anew if the server has lost it.
    pub(crate) async fn with_key<T, F>(
        &self,
        keys: &Keys,
        attempt: impl Fn() -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        match self.patiently(&attempt).await {
            Err(error) if error.problem() == Some(ProblemKind::UnknownKey) => {
                self.not_registered(&keys.record().id).await;
                self.keys(keys.parameters()).await?;
                self.patiently(&attempt).await
            }
            outcome => outcome,
        }
    }

    /// Tries again, a few times, when nobody answered: of what can be asked twice.
    pub(crate) async fn reconnecting<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let mut waits = patience::reconnections(FIRST_WAIT);
        loop {
            let outcome = attempt().await;
            if !outcome.as_ref().is_err_and(ClientError::is_silence) {
                return outcome;
            }
            let Some(wait) = waits.next() else {
                return outcome;
            };
            let wait = spread(wait);
            self.observer.on(Activity::Reconnecting(wait));
            tokio::time::sleep(wait).await;
        }
    }

    async fn classify_once(
        &self,
        name: &str,
        text: &str,
    ) -> Result<(Arc<PublicCircuit>, Classification), ClientError> {
        let circuit = self.circuit(name).await?;
        circuit.expect_kind(InputKind::Bag)?; // before keys are made for nothing
        let keys = self.keys(circuit.parameters()).await?;
        let start = Instant::now();
        let request = circuit.encrypt(text, keys.secret())?;
        let encrypt_ms = milliseconds(start);
        let start = Instant::now();
        let result = self.evaluate(&circuit, &keys, &request).await?;
        let round_trip_ms = milliseconds(start);
        self.observer.on(Activity::Idle);
        let start = Instant::now();
        let verdict = circuit.decrypt(&result.output, keys.secret())?;
        let classification = Classification {
            text: text.to_owned(),
            label: verdict.label,
            scores: verdict.scores,
            encrypt_ms,
            server_ms: result.server_ms,
            round_trip_ms,
            decrypt_ms: milliseconds(start),
            request_bytes: request.bytes.len(),
            response_bytes: result.output.len(),
            luts: result.luts,
            features: request.features,
            dropped_features: request.dropped_features,
            dropped_words: request.dropped_words,
        };
        Ok((circuit, classification))
    }

    async fn load_or_create(&self, parameters: &'static ParameterSet) -> Result<Keys, ClientError> {
        let (home, observer) = (self.home.clone(), Arc::clone(&self.observer));
        blocking(move || home.load_or_create(parameters, observer.as_ref())).await
    }

    pub(crate) async fn register(&self, keys: &Keys) -> Result<(), ClientError> {
        // Before the server gets any of it: what is not noted is not forgotten either.
        self.note(&keys.record().id).await;
        let upload = || {
            self.http
                .register_key(keys.record(), keys.evaluation(), &self.observer)
        };
        let outcome = self.patiently(upload).await;
        self.observer.on(Activity::Idle);
        outcome
    }

    /// These keys count from now on, and are registered; those with the old id do not.
    pub(crate) async fn replace_keys(&self, keys: &Arc<Keys>, old: &KeyId) {
        let mut known = self.known.keys.lock().await;
        known.registered.remove(old);
        known.registered.insert(keys.record().id.clone());
        known.pairs.insert(keys.parameters().name, Arc::clone(keys));
    }

    /// The server has this key no more.
    pub(crate) async fn not_registered(&self, id: &KeyId) {
        self.known.keys.lock().await.registered.remove(id);
    }

    /// Tries again while the server is busy or about to stop, after the time it asks for or twice as long each time.
    async fn patiently<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let (mut patience, mut next) = (Patience::new(), FIRST_WAIT);
        loop {
            let (problem, retry_after) = match attempt().await {
                Err(ClientError::Refused {
                    problem,
                    retry_after,
                }) if may_pass(problem.kind) => (problem, retry_after),
                outcome => return outcome,
            };
            let wait = spread(retry_after.unwrap_or(next).min(LONGEST_WAIT));
            next = (2 * next).min(LONGEST_WAIT);
            if !patience.wait(wait, self.observer.as_ref()).await {
                return Err(ClientError::StillBusy {
                    reason: problem.detail,
                });
            }
        }
    }
}

/// Whether a refusal is over soon.
fn may_pass(kind: ProblemKind) -> bool {
    matches!(kind, ProblemKind::Busy | ProblemKind::ShuttingDown)
}

/// Up to half as long again, at random, so that clients who were turned away together do not come
/// back together.
fn spread(wait: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    wait + wait.mul_f64((random % 1024) as f64 / 2048.0)
}

/// Since a moment, to the microsecond.
pub(crate) fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_micros() as f64 / 1000.0
}
