//! What is done for a request, apart from HTTP.

mod evaluation;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use cipherformer_circuit::{InputKind, ParameterSet};
use cipherformer_fhe::PreparedCircuit;
use cipherformer_protocol::{KeyId, KeyInfo};

use crate::blocking::blocking;
use crate::budget::Budget;
use crate::circuits::Circuits;
use crate::config::Config;
use crate::error::{ServerError, StartError};
use crate::keys::KeyCache;
use crate::metrics::{Figures, Metrics};
use crate::owner::Registration;
use crate::schedule::Scheduler;
use crate::sessions::{Session, Sessions};
use crate::store::{Limits, Store, Time};

pub(crate) use evaluation::Request;

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
    pub(crate) metrics: Arc<Metrics>,
    keys: KeyCache,
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
            metrics: Arc::new(Metrics::new()),
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

    /// Fails, saying what is missing, unless requests can be taken. Blocks.
    pub(crate) fn check_ready(&self) -> Result<(), ServerError> {
        let missing = if self.scheduler.is_closed() {
            "it is about to stop"
        } else if self.circuits.summaries().is_empty() {
            "it has no usable circuit"
        } else if !self.store.can_write() {
            "its data directory cannot be written"
        } else {
            return Ok(());
        };
        Err(ServerError::NotReady { missing })
    }

    /// All figures as text. Blocks.
    pub(crate) fn figures(&self) -> String {
        let figures = Figures {
            load: self.scheduler.load(),
            cache: self.keys.figures(),
            store: self.store.figures(),
        };
        self.metrics.text(&figures)
    }
}
