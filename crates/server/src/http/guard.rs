//! Around every request: an id, a line in the log, figures for the operator, and a net for panics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cipherformer_protocol::headers;
use futures_util::FutureExt;
use tracing::Instrument;

use crate::error::ServerError;
use crate::http::request_id::RequestId;
use crate::metrics::{Metrics, TurnedAway};

/// Logs id, route, status and milliseconds, and nothing that a client sent; turns a panic into a 500.
pub(super) async fn guard(
    State(metrics): State<Arc<Metrics>>,
    request: Request,
    next: Next,
) -> Response {
    let id = RequestId::random();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    let span = tracing::info_span!("request", %id, method = %method(&request), route);
    let start = Instant::now();
    let handled = async {
        let handled = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        handled.unwrap_or_else(|_| ServerError::Internal.into_response())
    };
    let mut response = id.scope(handled).instrument(span.clone()).await;
    response
        .headers_mut()
        .insert(headers::REQUEST_ID, id.into());
    let (status, took) = (response.status().as_u16(), start.elapsed());
    metrics.answered(route, status, took);
    if let Some(reason) = response.extensions().get::<TurnedAway>() {
        metrics.turned_away(*reason);
    }
    span.in_scope(|| tracing::info!(status, ms = milliseconds(took), "answered"));
    response
}

/// Whole ones, as a number in every format.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
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
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use axum::{Router, middleware};
    use cipherformer_protocol::Problem;
    use tower::ServiceExt;

    use super::*;

    async fn panics() {
        panic!("a bug");
    }

    fn router() -> Router {
        Router::new()
            .route("/bug", get(panics))
            .route("/fine", get(async || "fine"))
            .layer(middleware::from_fn_with_state(
                Arc::new(Metrics::new()),
                guard,
            ))
    }

    async fn answer(router: &Router, path: &str) -> Response {
        let request = Request::get(path)
            .header(headers::REQUEST_ID, "chosen by the client")
            .body(Body::empty());
        let request = request.expect("valid");
        router.clone().oneshot(request).await.expect("infallible")
    }

    fn id(response: &Response) -> String {
        let id = &response.headers()[headers::REQUEST_ID];
        id.to_str().expect("text").to_owned()
    }

    #[tokio::test]
    async fn a_panic_becomes_a_problem() {
        let router = router();
        for (path, status) in [("/bug", 500), ("/fine", 200), ("/bug", 500)] {
            let response = answer(&router, path).await;
            assert_eq!(response.status(), status);
            assert!(response.headers().contains_key(headers::REQUEST_ID));
        }
    }

    #[tokio::test]
    async fn ids_are_random_and_in_the_problem_too() {
        let router = router();
        let (first, second) = (answer(&router, "/bug").await, answer(&router, "/bug").await);
        let first_id = id(&first);
        assert_ne!(first_id, id(&second));
        assert!(first_id.len() == 16 && first_id.bytes().all(|b| b.is_ascii_hexdigit()));
        let body = to_bytes(first.into_body(), 1 << 16).await.expect("short");
        let problem: Problem = serde_json::from_slice(&body).expect("a problem");
        assert_eq!(problem.request_id, Some(first_id));
    }
}
