//! How long jobs take lately, and so how long to wait for a place.

use std::ops::RangeInclusive;
use std::time::Duration;

/// What the newest job counts for in the mean: about the last ten jobs are remembered.
const NEWEST: f64 = 0.2;
/// What a job is taken to last before one was seen.
const UNSEEN: f64 = 1.0;
/// Whoever is turned away comes back after so many seconds: not at once, and not after everybody has left.
const PATIENCE: RangeInclusive<u64> = 1..=30;

/// A moving mean of what jobs took.
#[derive(Debug, Default)]
pub(super) struct Pace {
    seconds: Option<f64>,
}

impl Pace {
    /// A job is done, and took so long.
    pub(super) fn add(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        let mean = self.seconds.unwrap_or(took);
        self.seconds = Some(mean + NEWEST * (took - mean));
    }

    /// After how many seconds so many jobs will be done.
    pub(super) fn patience(&self, jobs: usize, workers: usize) -> u64 {
        let seconds = self.seconds.unwrap_or(UNSEEN) * jobs as f64 / workers as f64;
        (seconds.ceil() as u64).clamp(*PATIENCE.start(), *PATIENCE.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_turned_away_comes_back_when_those_before_are_done() {
        let mut pace = Pace::default();
        assert_eq!(pace.patience(3, 1), 3, "a guess");
        pace.add(Duration::from_millis(500));
        assert_eq!(pace.patience(9, 1), 5);
        assert_eq!(pace.patience(9, 3), 2);
        assert_eq!(pace.patience(0, 1), 1, "not at once");
        pace.add(Duration::from_secs(60));
        assert_eq!(pace.patience(1, 1), 13, "a fifth of the newest");
        assert_eq!(pace.patience(9, 1), 30, "not too late");
    }
}
