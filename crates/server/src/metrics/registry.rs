//! What is counted as it happens: names, labels, and what they mean.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// A route pattern and a class of statuses, such as `2xx`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Request {
    pub(super) route: String,
    pub(super) status: String,
}

/// Why a request was turned away.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Reason {
    pub(super) reason: &'static str,
}

/// A kind of things that are stored.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct What {
    pub(super) what: &'static str,
}

/// A circuit.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Circuit {
    pub(super) circuit: String,
}

/// A circuit, and how its evaluations ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Evaluation {
    pub(super) circuit: String,
    pub(super) outcome: &'static str,
}

/// Histograms by label.
pub(super) type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Counters and histograms.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) requests: Histograms<Request>,
    pub(super) turned_away: Family<Reason, Counter>,
    pub(super) evaluations: Family<Evaluation, Counter>,
    pub(super) evaluation: Histograms<Circuit>,
    pub(super) queue_wait: Histogram,
    pub(super) key_expansion: Histogram,
    pub(super) luts: Counter,
}

impl Counted {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let counted = Self {
            requests: Family::new_with_constructor(seconds),
            turned_away: Family::default(),
            evaluations: Family::default(),
            evaluation: Family::new_with_constructor(seconds),
            queue_wait: seconds(),
            key_expansion: seconds(),
            luts: Counter::default(),
        };
        registry.register(
            "request_seconds",
            "Seconds from a request's head to its answer's, by route and class of status",
            counted.requests.clone(),
        );
        registry.register(
            "turned_away",
            "Requests turned away: all places taken, one key's share taken, all sessions taken, a day's budget used up, shutting down",
            counted.turned_away.clone(),
        );
        registry.register(
            "evaluations",
            "Evaluations by circuit and outcome; those stopped were nobody's any more",
            counted.evaluations.clone(),
        );
        registry.register(
            "evaluation_seconds",
            "Seconds an evaluation took, without waiting and without expanding its key",
            counted.evaluation.clone(),
        );
        registry.register(
            "queue_wait_seconds",
            "Seconds an evaluation waited for its turn",
            counted.queue_wait.clone(),
        );
        registry.register(
            "key_expansion_seconds",
            "Seconds it took to read a stored key and expand it",
            counted.key_expansion.clone(),
        );
        registry.register("luts", "LUTs evaluated", counted.luts.clone());
        counted
    }
}

/// From a millisecond to half a minute and more.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}
