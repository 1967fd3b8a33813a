//! Work that waits for the disk, on threads where it may.

use crate::error::ServerError;

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
