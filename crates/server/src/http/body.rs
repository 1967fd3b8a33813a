//! Bodies, read piece by piece and never past their limit.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::error::ServerError;

/// A client that sends nothing for so long has gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// No body takes longer: 40 MB in this time are 133 kB a second.
const DEADLINE: Duration = Duration::from_secs(300);

/// A body that may have `limit` bytes.
pub(super) struct Limited {
    what: &'static str,
    stream: BodyDataStream,
    limit: usize,
    read: usize,
    deadline: Instant,
}

impl Limited {
    /// Fails at once if the headers announce too much.
    pub(super) fn new(
        what: &'static str,
        headers: &HeaderMap,
        body: Body,
        limit: usize,
    ) -> Result<Self, ServerError> {
        if announced(headers).is_some_and(|length| length > limit as u64) {
            return Err(ServerError::TooLarge { what, limit });
        }
        Ok(Self {
            what,
            stream: body.into_data_stream(),
            limit,
            read: 0,
            deadline: Instant::now() + DEADLINE,
        })
    }

    /// The same of a part of something: fails at once if the whole is announced to be too large.
    pub(super) fn up_to(
        what: &'static str,
        headers: &HeaderMap,
        body: Body,
        limit: usize,
        whole: Option<u64>,
    ) -> Result<Self, ServerError> {
        match whole {
            Some(whole) if whole > limit as u64 => Err(ServerError::TooLarge { what, limit }),
            _ => Self::new(what, headers, body, limit),
        }
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ServerError> {
        let until = self.deadline.min(Instant::now() + PATIENCE);
        let piece = timeout_at(until, self.stream.next()).await;
        let Some(piece) = piece.map_err(|_| ServerError::BodyInterrupted)? else {
            return Ok(None);
        };
        let piece = piece.map_err(|_| ServerError::BodyInterrupted)?;
        self.read += piece.len();
        if self.read > self.limit {
            let (what, limit) = (self.what, self.limit);
            return Err(ServerError::TooLarge { what, limit });
        }
        Ok(Some(piece))
    }

    /// All of it.
    pub(super) async fn all(mut self) -> Result<Vec<u8>, ServerError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

/// How long the body is, if the headers say so.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}
