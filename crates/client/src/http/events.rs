//! Progress and result of an evaluation, as server-sent events.

use std::pin::pin;

use cipherformer_protocol::{EvaluationResult, Event};
use futures_util::StreamExt;
use reqwest::Response;
use sse_stream::{Sse, SseByteStream};

use super::body;
use crate::error::ClientError;
use crate::observer::{Activity, Observer};

const WHAT: &str = "stream of events";

/// All progress events of an evaluation together.
const PROGRESS_LIMIT: usize = 4 << 20;

/// Why the bytes of a stream ended early.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("more than {0} bytes")]
    TooLong(usize),
    #[error(transparent)]
    Network(#[from] reqwest::Error),
}

/// Reads events up to the result, whose output may have `limit` bytes.
pub(super) async fn read(
    response: Response,
    limit: usize,
    url: &str,
    observer: &dyn Observer,
) -> Result<EvaluationResult, ClientError> {
    let limit = PROGRESS_LIMIT + 2 * limit; // base64 takes 4 bytes for 3
    let mut left = limit;
    let mut bytes = pin!(response.bytes_stream().map(move |chunk| {
        let chunk = chunk?;
        left = left.checked_sub(chunk.len()).ok_or(Fault::TooLong(limit))?;
        Ok::<_, Fault>(chunk)
    }));
    let mut events = SseByteStream::new(bytes.as_mut());
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| broken(error, url))?;
        if let Some(result) = handle(&event, observer)? {
            return Ok(result);
        }
    }
    let ended = std::io::Error::other("it ended before the answer");
    Err(body::lost(url, &ended))
}

fn handle(event: &Sse, observer: &dyn Observer) -> Result<Option<EvaluationResult>, ClientError> {
    let (Some(name), Some(data)) = (&event.event, &event.data) else {
        return Ok(None); // a keep-alive
    };
    let event =
        Event::from_parts(name, data).map_err(|error| ClientError::nonsense(WHAT, error))?;
    match event {
        None => Ok(None),
        Some(Event::Progress(progress)) => {
            observer.on(Activity::Evaluating {
                done: progress.luts_done as u64,
                total: progress.luts_total as u64,
            });
            Ok(None)
        }
        Some(Event::Result(result)) => Ok(Some(result)),
        Some(Event::Problem(problem)) => Err(body::refused(problem, None)),
    }
}

fn broken(error: sse_stream::Error, url: &str) -> ClientError {
    match error {
        sse_stream::Error::Body(source) => match source.downcast_ref::<Fault>() {
            Some(Fault::Network(error)) => body::lost(url, error),
            _ => ClientError::nonsense(WHAT, source),
        },
        other => ClientError::nonsense(WHAT, other),
    }
}
