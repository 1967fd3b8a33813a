//! What is looked up when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::process::resident_bytes;
use super::registry::What;
use crate::schedule::Load;
use crate::store::StoreFigures;

/// What the parts of a server say of themselves at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) load: Load,
    pub(crate) cache: CacheFigures,
    pub(crate) store: StoreFigures,
}

/// What the memory for expanded keys says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct CacheFigures {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) evictions: u64,
    pub(crate) keys: usize,
    pub(crate) bytes: usize,
    pub(crate) budget: usize,
}

/// Gauges, and counters that others keep.
#[derive(Debug)]
pub(super) struct Sampled {
    waiting: Gauge,
    running: Gauge,
    places: Gauge,
    luts_per_second: Gauge<f64, AtomicU64>,
    cache_hits: Counter,
    cache_misses: Counter,
    cache_evictions: Counter,
    cache_keys: Gauge,
    cache_bytes: Gauge,
    cache_budget: Gauge,
    sessions: Gauge,
    keys_stored: Gauge,
    keys_stored_bytes: Gauge,
    uploads: Gauge,
    damaged: Family<What, Counter>,
    resident: Gauge,
}

impl Sampled {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let waiting = gauge("queue_waiting", "Evaluations that wait for their turn");
        let running = gauge("queue_running", "Evaluations under way");
        let places = gauge("queue_places", "Evaluations that may wait or be under way");
        let cache_keys = gauge("key_cache_keys", "Expanded keys in memory");
        let cache_bytes = gauge("key_cache_bytes", "Bytes of expanded keys in memory");
        let cache_budget = gauge(
            "key_cache_budget_bytes",
            "Bytes that expanded keys may take",
        );
        let sessions = gauge("sessions_open", "Sessions that are open");
        let keys_stored = gauge("keys_stored", "Evaluation keys stored");
        let keys_stored_bytes = gauge("keys_stored_bytes", "Bytes of stored evaluation keys");
        let uploads = gauge("uploads_under_way", "Uploads of keys under way");
        let resident = gauge("resident_memory_bytes", "Memory of the process");
        let luts_per_second = Gauge::default();
        registry.register(
            "luts_per_second",
            "LUTs a second, mean of the last minute",
            luts_per_second.clone(),
        );
        let damaged = Family::default();
        registry.register(
            "damaged",
            "What was stored, found damaged, and set aside or removed",
            damaged.clone(),
        );
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        Self {
            cache_hits: counter("key_cache_hits", "Evaluations whose key was in memory"),
            cache_misses: counter("key_cache_misses", "Evaluations whose key was not"),
            cache_evictions: counter("key_cache_evictions", "Keys dropped from memory for others"),
            waiting,
            running,
            places,
            luts_per_second,
            cache_keys,
            cache_bytes,
            cache_budget,
            sessions,
            keys_stored,
            keys_stored_bytes,
            uploads,
            damaged,
            resident,
        }
    }

    pub(super) fn set(&self, figures: &Figures, luts_per_second: f64) {
        let Figures { load, cache, store } = figures;
        set(&self.waiting, load.waiting as u64);
        set(&self.running, load.running as u64);
        set(&self.places, load.places as u64);
        self.luts_per_second.set(luts_per_second);
        for (counter, count) in [
            (&self.cache_hits, cache.hits),
            (&self.cache_misses, cache.misses),
            (&self.cache_evictions, cache.evictions),
        ] {
            raise(counter, count);
        }
        set(&self.cache_keys, cache.keys as u64);
        set(&self.cache_bytes, cache.bytes as u64);
        set(&self.cache_budget, cache.budget as u64);
        set(&self.sessions, store.sessions);
        set(&self.keys_stored, store.keys);
        set(&self.keys_stored_bytes, store.key_bytes);
        set(&self.uploads, store.uploads);
        for (what, count) in [
            ("keys", store.damage.keys),
            ("sessions", store.damage.sessions),
            ("databases", store.damage.databases),
        ] {
            raise(&self.damaged.get_or_create(&What { what }), count);
        }
        set(&self.resident, resident_bytes().unwrap_or(0));
    }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

/// Whoever counts these only counts up.
fn raise(counter: &Counter, count: u64) {
    counter.inner().fetch_max(count, Ordering::Relaxed);
}
