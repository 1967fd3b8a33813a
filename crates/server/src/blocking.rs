//! Work that waits for the disk, on threads where it may.

use std::io;

use tokio::runtime::{Builder, Runtime};

use crate::config::Config;
use crate::error::ServerError;

/// Threads for work that blocks, beside those that evaluate: one verifies, the others write uploads. More
/// would each keep their own pool of freed memory, and keys are large.
const THREADS: usize = 3;

/// The runtime for a server in a process of its own, with as many threads that may wait as it has use for.
///
/// # Errors
/// Threads that the system refuses.
pub fn runtime(config: &Config) -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .max_blocking_threads(config.workers.saturating_add(THREADS))
        .enable_all()
        .build()
}

/// Does it there. It goes on to its end even if nobody waits for it any more.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ServerError> + Send + 'static,
) -> Result<T, ServerError> {
    let span = tracing::Span::current();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    done.unwrap_or_else(|error| {
        tracing::error!(%error, "work on the disk failed");
        Err(ServerError::Internal)
    })
}
