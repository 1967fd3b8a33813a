//! The name of a request: random, so that nobody can guess it and none comes twice, not even after a restart.

use std::fmt;

use axum::http::HeaderValue;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// 64 random bits, 16 hexadecimal digits. Whatever a client sends as one is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestId(u64);

impl RequestId {
    /// Another one.
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    /// That of the request being handled by this task, if it handles one.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(|id| *id).ok()
    }

    /// Handles its request.
    pub(super) async fn scope<T>(self, handle: impl Future<Output = T>) -> T {
        CURRENT.scope(self, handle).await
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<RequestId> for HeaderValue {
    fn from(id: RequestId) -> Self {
        Self::try_from(id.to_string()).expect("hexadecimal digits are fine in a header")
    }
}
