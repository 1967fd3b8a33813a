//! How much was done lately.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What "lately" means.
const WINDOW: Duration = Duration::from_secs(60);
/// Reports closer together than this are kept as one.
const GRAIN: Duration = Duration::from_millis(500);

/// Counts of the last minute.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<(Instant, usize)>);

impl Recent {
    pub(super) fn add(&mut self, count: usize, now: Instant) {
        self.forget(now);
        match self.0.back_mut() {
            Some((since, sum)) if now.saturating_duration_since(*since) < GRAIN => *sum += count,
            _ => self.0.push_back((now, count)),
        }
    }

    /// The mean of the last minute.
    pub(super) fn per_second(&mut self, now: Instant) -> f64 {
        self.forget(now);
        let sum: usize = self.0.iter().map(|(_, count)| count).sum();
        sum as f64 / WINDOW.as_secs_f64()
    }

    fn forget(&mut self, now: Instant) {
        let old = |(time, _): &(Instant, usize)| now.saturating_duration_since(*time) >= WINDOW;
        while self.0.front().is_some_and(old) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_remembered() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        for second in 0..120 {
            for _ in 0..10 {
                recent.add(3, start + Duration::from_secs(second));
            }
        }
        assert_eq!(recent.0.len(), 60, "one entry for all of a moment");
        let last = start + Duration::from_secs(119);
        assert_eq!(recent.per_second(last), 30.0);
        assert_eq!(recent.per_second(last + Duration::from_secs(30)), 15.0);
        assert_eq!(recent.per_second(last + WINDOW), 0.0);
    }
}
