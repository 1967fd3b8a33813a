//! Figures for the operator, in the format of Prometheus.
//!
//! Counters and histograms are told of what happens, by methods; gauges, and counters that others keep, are
//! set from [`Figures`] when somebody asks. Labels are route patterns, names of circuits and words of this
//! module: nothing that a client could make up, or be recognised by.

mod process;
mod recent;
mod registry;
mod sampled;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;

use recent::Recent;
use registry::{Circuit, Counted, Evaluation, Reason, Request};
use sampled::Sampled;

pub(crate) use sampled::{CacheFigures, Figures};

/// Media type of [`Metrics::text`].
pub(crate) const MEDIA_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// How an evaluation ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// With a result, after so long, without expanding its key.
    Done(Duration),
    /// Early: its client had left, or closed the session.
    Stopped,
    /// With an error.
    Failed,
}

/// Why somebody was turned away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TurnedAway {
    /// All places are taken, of evaluations or uploads.
    Full,
    /// One key had its share.
    Share,
    /// There are as many sessions as may be.
    Sessions,
    /// Its owner has had all that may be evaluated in a day.
    Budget,
    /// No token came, or none that is good.
    Unauthorized,
    /// The server is about to stop.
    ShuttingDown,
}

/// All figures of a server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    counted: Counted,
    sampled: Sampled,
    recent: Mutex<Recent>,
}

impl Metrics {
    /// All at 0.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("cipherformer");
        Self {
            counted: Counted::new(&mut registry),
            sampled: Sampled::new(&mut registry),
            recent: Mutex::default(),
            registry,
        }
    }

    /// A request of this route, a pattern, got the head of its answer after so long.
    pub(crate) fn answered(&self, route: &str, status: u16, took: Duration) {
        let labels = Request {
            route: route.to_owned(),
            status: format!("{}xx", status / 100),
        };
        observe(&self.counted.requests.get_or_create(&labels), took);
    }

    /// A request was turned away.
    pub(crate) fn turned_away(&self, reason: TurnedAway) {
        let reason = match reason {
            TurnedAway::Full => "full",
            TurnedAway::Share => "share",
            TurnedAway::Sessions => "sessions",
            TurnedAway::Budget => "budget",
            TurnedAway::Unauthorized => "unauthorized",
            TurnedAway::ShuttingDown => "shutting-down",
        };
        let labels = Reason { reason };
        self.counted.turned_away.get_or_create(&labels).inc();
    }

    /// An evaluation waited so long for its turn.
    pub(crate) fn waited(&self, time: Duration) {
        observe(&self.counted.queue_wait, time);
    }

    /// A key was read and expanded.
    pub(crate) fn expanded(&self, took: Duration) {
        observe(&self.counted.key_expansion, took);
    }

    /// So many more LUTs are done.
    pub(crate) fn luts(&self, count: usize) {
        self.counted.luts.inc_by(count as u64);
        self.recent().add(count, Instant::now());
    }

    /// An evaluation of this circuit has ended.
    pub(crate) fn evaluated(&self, circuit: &str, outcome: Outcome) {
        let name = circuit.to_owned();
        let labels = Evaluation {
            circuit: name.clone(),
            outcome: match outcome {
                Outcome::Done(_) => "done",
                Outcome::Stopped => "stopped",
                Outcome::Failed => "failed",
            },
        };
        self.counted.evaluations.get_or_create(&labels).inc();
        if let Outcome::Done(took) = outcome {
            let labels = Circuit { circuit: name };
            observe(&self.counted.evaluation.get_or_create(&labels), took);
        }
    }

    /// All figures as text.
    pub(crate) fn text(&self, figures: &Figures) -> String {
        let luts_per_second = self.recent().per_second(Instant::now());
        self.sampled.set(figures, luts_per_second);
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry).expect("a string takes all text");
        text
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        // What is behind the lock is consistent after every step.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn observe(histogram: &prometheus_client::metrics::histogram::Histogram, time: Duration) {
    histogram.observe(time.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_become_lines_of_text() {
        let metrics = Metrics::new();
        metrics.answered("/v1/keys/{id}", 404, Duration::from_millis(2));
        metrics.turned_away(TurnedAway::Share);
        metrics.luts(120);
        let took = Duration::from_millis(60);
        metrics.evaluated("guard", Outcome::Done(took));
        metrics.evaluated("guard", Outcome::Stopped);
        let mut figures = Figures::default();
        figures.cache.hits = 7;
        figures.store.sessions = 3;
        figures.store.damage.keys = 1;
        let text = metrics.text(&figures);
        for line in [
            r#"cipherformer_request_seconds_count{route="/v1/keys/{id}",status="4xx"} 1"#,
            r#"cipherformer_turned_away_total{reason="share"} 1"#,
            r#"cipherformer_evaluations_total{circuit="guard",outcome="done"} 1"#,
            r#"cipherformer_evaluations_total{circuit="guard",outcome="stopped"} 1"#,
            r#"cipherformer_evaluation_seconds_count{circuit="guard"} 1"#,
            "cipherformer_luts_total 120",
            "cipherformer_luts_per_second 2.0",
            "cipherformer_key_cache_hits_total 7",
            "cipherformer_sessions_open 3",
            r#"cipherformer_damaged_total{what="keys"} 1"#,
            r#"cipherformer_damaged_total{what="sessions"} 0"#,
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
        figures.cache.hits = 9;
        let again = metrics.text(&figures);
        assert!(again.contains("cipherformer_key_cache_hits_total 9"));
    }
}
