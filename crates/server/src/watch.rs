//! Passing on how far an evaluation is.

use std::sync::{Mutex, PoisonError};

use cipherformer_circuit::{self as circuit, Observer};
use cipherformer_fhe::Encrypted;
use cipherformer_protocol::Progress;

// Steps of an evaluation, as clients see them: no names of layers.
const WAITING: &str = "waiting for a turn";
const PREPARING: &str = "preparing the key";
const EVALUATING: &str = "evaluating";

/// Passes on how far an evaluation is; never goes backwards, though many threads report.
pub(crate) struct Watch {
    watch: Box<dyn Fn(Progress) + Send + Sync>,
    /// Held while a report is passed on, so that they arrive in order.
    luts_done: Mutex<usize>,
    luts_total: usize,
}

impl Watch {
    pub(crate) fn new(watch: impl Fn(Progress) + Send + Sync + 'static, luts_total: usize) -> Self {
        Self {
            watch: Box::new(watch),
            luts_done: Mutex::default(),
            luts_total,
        }
    }

    /// The evaluation is in the queue.
    pub(crate) fn waiting(&self) {
        self.send(WAITING, 0);
    }

    /// It is its turn.
    pub(crate) fn preparing(&self) {
        self.send(PREPARING, 0);
    }

    /// The key is there.
    pub(crate) fn evaluating(&self) {
        self.send(EVALUATING, 0);
    }

    /// Watches one position, after others that took so many LUTs.
    pub(crate) fn position(&self, luts_before: usize) -> Position<'_> {
        Position {
            watch: self,
            luts_before,
        }
    }

    fn advance(&self, luts_done: usize) {
        let mut before = self
            .luts_done
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if luts_done > *before {
            *before = luts_done;
            self.send(EVALUATING, luts_done);
        }
    }

    fn send(&self, step: &str, luts_done: usize) {
        (self.watch)(Progress {
            step: step.to_owned(),
            luts_done,
            luts_total: self.luts_total,
        });
    }
}

/// One position of those that are evaluated.
pub(crate) struct Position<'a> {
    watch: &'a Watch,
    luts_before: usize,
}

impl Observer<Encrypted<'_>> for Position<'_> {
    fn progress(&self, progress: circuit::Progress<'_>) {
        self.watch.advance(self.luts_before + progress.luts_done);
    }
}
