//! How long each layer of an evaluation takes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cipherformer_circuit::{Engine, Observer, Progress};

/// Watches an evaluation: notes when each layer begins.
#[derive(Debug, Default)]
pub struct LayerTimes(Mutex<Vec<(String, Instant)>>);

impl LayerTimes {
    /// The time of each layer in order, the last one's up to now. A layer that comes back is added to the first time.
    pub fn finish(self) -> Vec<(String, Duration)> {
        let now = Instant::now();
        let starts = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let ends = starts.iter().skip(1).map(|(_, start)| *start).chain([now]);
        let mut layers: Vec<(String, Duration)> = Vec::new();
        for ((name, start), end) in starts.iter().zip(ends) {
            let time = end - *start;
            match layers.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += time,
                None => layers.push((name.clone(), time)),
            }
        }
        layers
    }
}

/// Says how long each layer took.
pub fn print(times: LayerTimes) {
    for (layer, time) in times.finish() {
        println!("{layer:<40} {:>9.1} ms", 1e3 * time.as_secs_f64());
    }
}

impl<E: Engine> Observer<E> for LayerTimes {
    fn progress(&self, progress: Progress<'_>) {
        let mut starts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if starts
            .last()
            .is_none_or(|(layer, _)| layer != progress.layer)
        {
            starts.push((progress.layer.to_owned(), Instant::now()));
        }
    }
}
