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
    /// The server has the request, which waits for its turn.
    Queued {
        /// The turn after which it is its own, 1 for the next one; it may grow when others come whose turn is
        /// earlier.
        position: u64,
    },
    /// The server evaluates.
    Evaluating {
        /// LUTs finished.
        done: u64,
        /// LUTs in all.
        total: u64,
        /// The layer being evaluated, counted from 1; 0 before the first.
        layer: u64,
        /// Layers in all.
        layers: u64,
        /// What the rest will take, as the server estimates it.
        left: Option<Duration>,
    },
    /// The server is busy; the client asks again after this time.
    Waiting(Duration),
    /// Nobody answers, or the connection was lost; the client tries again after this time.
    Reconnecting(Duration),
    /// Nothing takes time any more.
    Idle,
}

/// Ciphertexts between client and server, as they travel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wire<'a> {
    /// An encrypted input that is about to be sent.
    Sent(&'a [u8]),
    /// An encrypted output that has arrived.
    Received(&'a [u8]),
}

/// Is told what a client is doing.
pub trait Observer: Send + Sync {
    /// Called at every change, from any thread; must return quickly.
    fn on(&self, activity: Activity);

    /// Called with every input once, however often it has to be sent, and with every output; must return quickly.
    fn wire(&self, _: Wire<'_>) {}
}

/// Looks away.
impl Observer for () {
    fn on(&self, _: Activity) {}
}
