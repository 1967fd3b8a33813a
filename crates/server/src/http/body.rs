//! Bodies, read up to a limit.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use futures_util::TryStreamExt;

use crate::error::ServerError;

/// Reads a body of at most `limit` bytes. A longer one is refused by its announced length, or as soon as
/// it passes the limit.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    what: &'static str,
    limit: usize,
) -> Result<Vec<u8>, ServerError> {
    let too_large = || ServerError::TooLarge { what, limit };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    // Room is made as bytes arrive: an announced length alone must not take memory.
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.try_next().await.map_err(|_| ServerError::IncompleteBody)? {
        if bytes.len() + chunk.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
