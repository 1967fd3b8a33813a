//! Passing on how far an evaluation is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cipherformer_circuit::{self as circuit, Circuit, Observer};
use cipherformer_fhe::Encrypted;
use cipherformer_protocol::Progress;

use crate::metrics::Metrics;

// Steps of an evaluation, as clients see them: no names of layers.
const WAITING: &str = "waiting for a turn";
const PREPARING: &str = "preparing the key";
const EVALUATING: &str = "evaluating";

/// Within a layer, reports come at least so far apart: each wakes server and client up, on cores that evaluate.
const PAUSE: Duration = Duration::from_millis(40);

/// Passes on how far an evaluation is; never goes backwards, though many threads report.
pub(crate) struct Watch {
    watch: Box<dyn Fn(Progress) + Send + Sync>,
    metrics: Arc<Metrics>,
    total: Done,
    /// Held while a report is passed on, so that they arrive in order.
    state: Mutex<State>,
}

/// How much is done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Done {
    layers: usize,
    luts: usize,
}

#[derive(Default)]
struct State {
    done: Done,
    /// When the first layer began.
    start: Option<Instant>,
    /// When the last report on LUTs or layers was due.
    told: Option<Instant>,
}

impl Watch {
    /// Watches the evaluation of these positions of a circuit.
    pub(crate) fn new(
        circuit: &Circuit,
        positions: std::ops::Range<usize>,
        watch: impl Fn(Progress) + Send + Sync + 'static,
        metrics: Arc<Metrics>,
    ) -> Self {
        let mut total = Done::default();
        for position in positions {
            total.add(circuit, position);
        }
        Self {
            watch: Box::new(watch),
            metrics,
            total,
            state: Mutex::default(),
        }
    }

    /// The evaluation is in the queue: its turn is the next one, or so many turns away.
    pub(crate) fn waiting(&self, position_in_queue: usize) {
        self.send(Progress {
            position_in_queue: Some(position_in_queue),
            ..self.progress(WAITING, Done::default())
        });
    }

    /// It is its turn.
    pub(crate) fn preparing(&self) {
        self.send(self.progress(PREPARING, Done::default()));
    }

    /// The key is there.
    pub(crate) fn evaluating(&self) {
        self.state().start = Some(Instant::now());
        self.send(self.progress(EVALUATING, Done::default()));
    }

    /// Watches the positions of a circuit, one after the other.
    pub(crate) fn positions<'a>(&'a self, circuit: &'a Circuit) -> Positions<'a> {
        Positions {
            watch: self,
            circuit,
            before: Done::default(),
        }
    }

    fn advance(&self, to: Done) {
        let (mut state, now) = (self.state(), Instant::now());
        let before = state.done;
        let due = state.advance(to, now);
        let done = state.done;
        if done.luts > before.luts {
            self.metrics.luts(done.luts - before.luts);
        }
        if !due {
            return;
        }
        let spent = state.start.map(|start| now - start);
        self.send(Progress {
            seconds_left: spent.and_then(|spent| seconds_left(spent, done.luts, self.total.luts)),
            ..self.progress(EVALUATING, done)
        });
    }

    fn progress(&self, step: &str, done: Done) -> Progress {
        Progress {
            step: step.to_owned(),
            luts_done: done.luts,
            luts_total: self.total.luts,
            layer: done.layers,
            layers: self.total.layers,
            seconds_left: None,
            position_in_queue: None,
        }
    }

    fn send(&self, progress: Progress) {
        (self.watch)(progress);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is behind the lock is consistent after every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes note of what is done by now; whether a report is due.
    fn advance(&mut self, to: Done, now: Instant) -> bool {
        let before = self.done;
        self.done = Done {
            layers: to.layers.max(before.layers),
            luts: to.luts.max(before.luts),
        };
        let soon = self.told.is_some_and(|told| now - told < PAUSE);
        let due = self.done.layers > before.layers || self.done != before && !soon;
        if due {
            self.told = Some(now);
        }
        due
    }
}

impl Done {
    fn add(&mut self, circuit: &Circuit, position: usize) {
        self.layers += circuit.nodes(position).len();
        self.luts += circuit.luts(position);
    }
}

/// If the rest goes on as so many LUTs did; to a hundredth.
fn seconds_left(spent: Duration, done: usize, total: usize) -> Option<f64> {
    let each = spent.as_secs_f64() / done as f64;
    let left = each * total.saturating_sub(done) as f64;
    (done > 0).then(|| (left * 100.0).round() / 100.0)
}

/// The positions of a request.
pub(crate) struct Positions<'a> {
    watch: &'a Watch,
    circuit: &'a Circuit,
    before: Done,
}

impl Positions<'_> {
    /// Watches the next position, which is this one of the session.
    pub(crate) fn next(&mut self, position: usize) -> Position<'_> {
        let before = self.before;
        self.before.add(self.circuit, position);
        Position {
            watch: self.watch,
            before,
        }
    }
}

/// One position of those that are evaluated.
pub(crate) struct Position<'a> {
    watch: &'a Watch,
    before: Done,
}

impl Observer<Encrypted<'_>> for Position<'_> {
    fn progress(&self, progress: circuit::Progress<'_>) {
        self.watch.advance(Done {
            layers: self.before.layers + progress.nodes_done + 1,
            luts: self.before.luts + progress.luts_done,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_is_told_and_luts_now_and_then() {
        let (mut state, start) = (State::default(), Instant::now());
        let mut due = |layers, luts, pauses: f64| {
            state.advance(Done { layers, luts }, start + PAUSE.mul_f64(pauses))
        };
        assert!(due(1, 1, 0.0), "the first");
        assert!(!due(1, 2, 0.9), "too soon");
        assert!(due(1, 3, 1.0));
        assert!(!due(1, 3, 3.0), "nothing new");
        assert!(!due(1, 2, 3.0), "late from another thread");
        assert!(due(1, 4, 3.0));
        assert!(due(2, 4, 3.1), "a layer");
        assert!(!due(2, 5, 4.0), "too soon after it");
        assert!(!due(1, 6, 4.0), "not back to an earlier layer");
        assert!(due(2, 7, 4.2));
        assert_eq!(state.done, Done { layers: 2, luts: 7 });
    }

    #[test]
    fn the_rest_takes_as_long_as_what_was_done() {
        let spent = Duration::from_secs(3);
        assert_eq!(seconds_left(spent, 0, 40), None);
        assert_eq!(seconds_left(spent, 10, 40), Some(9.0));
        assert_eq!(seconds_left(spent, 40, 40), Some(0.0));
        assert_eq!(seconds_left(Duration::from_millis(10), 3, 4), Some(0.0));
    }
}
