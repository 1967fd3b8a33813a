//! What is left of a body that nobody wants: read and forgotten, so that the answer arrives. If a connection is closed over bytes
//! that were not read, it is reset, and an answer that is on its way is lost (RFC 9112, section 9.6).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::timeout;

/// More than the largest body that is wanted has; whoever sends more is cut off.
const MOST: usize = 64 << 20;
/// A client that sends nothing for so long waits for its answer.
const SILENCE: Duration = Duration::from_secs(2);
/// However slowly it goes on sending.
const LONGEST: Duration = Duration::from_secs(60);

/// Reads what the handler of a request leaves of its body, before the answer goes out.
pub(super) async fn forget(request: Request, next: Next) -> Response {
    // Whoever asks first whether to send the body does not send it with the answer at hand.
    let asks = request.headers().contains_key(header::EXPECT);
    if asks || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body.into_data_stream()));
    let request = Request::from_parts(parts, Body::from_stream(pieces(Arc::clone(&body))));
    let response = next.run(request).await;
    // The time is over, or all of it has come: either way it is time to answer.
    let _ = timeout(LONGEST, drain(pieces(body))).await;
    response
}

/// The pieces of a body that still has another reader; no two read at the same time.
fn pieces(
    body: Arc<Mutex<BodyDataStream>>,
) -> impl Stream<Item = Result<Bytes, axum::Error>> + Unpin {
    stream::poll_fn(move |context| {
        let mut body = body.lock().unwrap_or_else(PoisonError::into_inner);
        body.poll_next_unpin(context)
    })
}

async fn drain(mut rest: impl Stream<Item = Result<Bytes, axum::Error>> + Unpin) {
    let mut read = 0;
    while read < MOST
        && let Ok(Some(Ok(piece))) = timeout(SILENCE, rest.next()).await
    {
        read += piece.len();
    }
}
