//! Medians of turns, and a fixed number of cores.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// Runs a task in a thread pool of its own of so many threads.
pub(super) fn on_cores<T: Send>(
    cores: usize,
    task: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores).build();
    pool.context("no thread pool")?.install(task)
}

/// A task's result and its milliseconds.
pub(super) fn timed<T>(task: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = task();
    (result, 1e3 * start.elapsed().as_secs_f64())
}

/// Runs both sides in turns, so that noise of the machine hits both alike; the medians of what they return.
pub(super) fn in_turns(
    rounds: usize,
    mut ours: impl FnMut() -> Result<f64>,
    mut theirs: impl FnMut() -> Result<f64>,
) -> Result<[f64; 2]> {
    ensure!(rounds > 0, "at least one round");
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        first.push(ours()?);
        second.push(theirs()?);
        eprintln!(
            "  round {} of {rounds}: {:.3} and {:.3} ms",
            round + 1,
            first[round],
            second[round]
        );
    }
    Ok([median(first), median(second)])
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    if times.len() % 2 == 1 {
        times[middle]
    } else {
        (times[middle - 1] + times[middle]) / 2.0
    }
}
