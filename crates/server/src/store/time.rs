//! Time that means the same after a restart.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// By the clock on the wall, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) i64);

impl Time {
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self(since.map_or(0, milliseconds))
    }

    /// So much earlier.
    pub(crate) fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(milliseconds(duration)))
    }

    /// How long ago that was; nothing if a clock that was set back says it is yet to come.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let elapsed = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(elapsed).unwrap_or(0))
    }

    /// The day it is in, UTC, counted from 1970.
    pub(crate) fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    /// Seconds until the next day, at least one.
    pub(crate) fn seconds_left_of_day(self) -> u64 {
        let left = DAY - self.0.rem_euclid(DAY);
        u64::try_from(left).unwrap_or(0).div_ceil(1000)
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_end_at_midnight() {
        let noon = Time(3 * DAY + DAY / 2);
        assert_eq!((noon.day(), noon.seconds_left_of_day()), (3, 43_200));
        let last = Time(4 * DAY - 1);
        assert_eq!((last.day(), last.seconds_left_of_day()), (3, 1));
        assert_eq!(Time(4 * DAY).day(), 4);
    }

    #[test]
    fn a_clock_that_was_set_back_does_no_harm() {
        let (now, later) = (Time(5_000), Time(9_000));
        assert_eq!(later.since(now), Duration::from_secs(4));
        assert_eq!(now.since(later), Duration::ZERO);
        assert_eq!(later.before(Duration::from_secs(4)), now);
        assert!(later.before(Duration::MAX) < now);
    }
}
