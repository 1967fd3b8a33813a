//! Around every request: an id, a line in the log, and a net for panics.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::Instrument;

use crate::error::ServerError;

const REQUEST_ID: &str = "x-request-id";

static REQUESTS: AtomicU64 = AtomicU64::new(1);

/// Logs id, route, status and milliseconds, and nothing that a client sent; turns a panic into a 500.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let id = REQUESTS.fetch_add(1, Ordering::Relaxed);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    let span = tracing::info_span!("request", id, method = %method(&request), route);
    let start = Instant::now();
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
    let handled = handled.instrument(span.clone()).await;
    let mut response = handled.unwrap_or_else(|_| ServerError::Internal.into_response());
    response
        .headers_mut()
        .insert(REQUEST_ID, HeaderValue::from(id));
    let ms = start.elapsed().as_millis();
    span.in_scope(|| tracing::info!(status = response.status().as_u16(), ms, "answered"));
    response
}

/// The method, unless it is one that the client made up.
fn method(request: &Request) -> &str {
    match request.method().as_str() {
        known @ ("GET" | "HEAD" | "PUT" | "POST" | "DELETE" | "PATCH" | "OPTIONS") => known,
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use axum::{Router, middleware};
    use tower::ServiceExt;

    use super::*;

    async fn panics() {
        panic!("a bug");
    }

    #[tokio::test]
    async fn a_panic_becomes_a_problem() {
        let router = Router::new()
            .route("/bug", get(panics))
            .route("/fine", get(async || "fine"))
            .layer(middleware::from_fn(guard));
        for (path, status) in [("/bug", 500), ("/fine", 200), ("/bug", 500)] {
            let request = Request::get(path).body(Body::empty()).expect("valid");
            let response = router.clone().oneshot(request).await.expect("infallible");
            assert_eq!(response.status(), status);
            assert!(response.headers().contains_key(REQUEST_ID));
        }
    }
}
