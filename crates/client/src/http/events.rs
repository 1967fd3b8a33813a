//! Progress and result of an evaluation, as server-sent events.

use std::pin::pin;
use std::time::Duration;

use cipherformer_protocol::{EvaluationResult, Event, Progress};
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
            observer.on(activity(&progress));
            Ok(None)
        }
        Some(Event::Result(result)) => Ok(Some(result)),
        Some(Event::Problem(problem)) => Err(body::refused(problem, None)),
    }
}

/// What a server says of its progress; an estimate that is no time is none.
fn activity(progress: &Progress) -> Activity {
    if let Some(position) = progress.position_in_queue {
        let position = position as u64;
        return Activity::Queued { position };
    }
    let left = progress.seconds_left;
    Activity::Evaluating {
        done: progress.luts_done as u64,
        total: progress.luts_total as u64,
        layer: progress.layer as u64,
        layers: progress.layers as u64,
        left: left.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_queue_an_estimate_or_nothing_is_shown() {
        let mut progress = Progress {
            luts_done: 3,
            luts_total: 8,
            layer: 2,
            layers: 4,
            seconds_left: Some(1.5),
            ..Progress::default()
        };
        let left = |progress: &Progress| match activity(progress) {
            Activity::Evaluating {
                done: 3,
                total: 8,
                layer: 2,
                layers: 4,
                left,
            } => left,
            other => panic!("{other:?}"),
        };
        assert_eq!(left(&progress), Some(Duration::from_millis(1500)));
        for nonsense in [f64::INFINITY, f64::NAN, -1.0, 1e300] {
            progress.seconds_left = Some(nonsense);
            assert_eq!(left(&progress), None, "{nonsense}");
        }
        progress.position_in_queue = Some(5);
        assert_eq!(activity(&progress), Activity::Queued { position: 5 });
    }
}
