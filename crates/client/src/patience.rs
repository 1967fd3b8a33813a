//! How long a client goes on asking a server that has no answer yet.

use std::time::Duration;

use crate::observer::{Activity, Observer};

/// Longer than the longest request of a session takes, after some others.
const PATIENCE: Duration = Duration::from_mins(5);
/// What asking counts for, however short the wait.
const ASKING: Duration = Duration::from_secs(1);

/// How often a server that does not answer is tried again.
const RECONNECTIONS: u32 = 6;

/// What is left of a client's patience with one request.
pub(crate) struct Patience {
    left: Duration,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { left: PATIENCE }
    }

    /// Waits for so long, telling the observer; `false`, at once, if that would be too long.
    pub(crate) async fn wait(&mut self, wait: Duration, observer: &dyn Observer) -> bool {
        let Some(left) = self.left.checked_sub(wait.max(ASKING)) else {
            return false;
        };
        self.left = left;
        observer.on(Activity::Waiting(wait));
        tokio::time::sleep(wait).await;
        true
    }
}

/// The waits between attempts to reach a server that does not answer, each twice as long as the one before.
pub(crate) fn reconnections(first: Duration) -> impl Iterator<Item = Duration> {
    (0..RECONNECTIONS).map(move |attempt| first * 2u32.pow(attempt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_half_a_minute_to_come_back() {
        let waits: Vec<_> = reconnections(Duration::from_millis(500)).collect();
        assert_eq!(waits.len(), 6);
        assert_eq!(
            waits.iter().sum::<Duration>(),
            Duration::from_millis(31_500)
        );
    }
}
