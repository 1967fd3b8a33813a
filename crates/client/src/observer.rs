//! What a client is doing, for progress bars.

use std::time::Duration;

/// What takes time at the moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Activity {
    /// Keys are made: a few seconds, once.
    MakingKeys {
        /// The part that is made now.
        part: &'static str,
    },
    /// The evaluation key travels to the server, once per server.
    Uploading {
        /// Bytes handed to the network.
        sent: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The connection broke while the key was on its way; the client goes on after this time.
    Resuming(Duration),
    /// The server evaluates.
    Evaluating {
        /// LUTs finished.
        done: u64,
        /// LUTs in all.
        total: u64,
    },
    /// The server is busy; the client asks again after this time.
    Waiting(Duration),
    /// Nothing takes time any more.
    Idle,
}

/// Is told what a client is doing.
pub trait Observer: Send + Sync {
    /// Called at every change, from any thread; must return quickly.
    fn on(&self, activity: Activity);
}

/// Looks away.
impl Observer for () {
    fn on(&self, _: Activity) {}
}
