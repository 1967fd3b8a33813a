//! How long a client goes on asking a server that has no answer yet.

use std::time::Duration;

use crate::observer::{Activity, Observer};

/// Longer than the longest request of a session takes, after some others.
const PATIENCE: Duration = Duration::from_mins(5);
/// What asking counts for, however short the wait.
const ASKING: Duration = Duration::from_secs(1);

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
