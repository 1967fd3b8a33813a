//! HTTP: routes, limits, problem documents, the log of requests.

mod body;
mod circuits;
mod evaluations;
mod keys;
mod problem;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cipherformer_protocol::routes;
use futures_util::FutureExt;

use crate::error::ServerError;
use crate::server::Server;

/// All routes of the interface.
pub(crate) fn router(server: Server) -> Router {
    Router::new()
        .route(routes::CIRCUITS, get(circuits::list))
        .route(routes::CIRCUIT, get(circuits::manifest))
        .route(routes::VOCABULARY, get(circuits::vocabulary))
        .route(routes::EVALUATIONS, post(evaluations::evaluate))
        .route(routes::KEY, get(keys::show).put(keys::register))
        .fallback(async || ServerError::UnknownRoute)
        .method_not_allowed_fallback(async || ServerError::MethodNotAllowed)
        .layer(middleware::from_fn(log))
        .with_state(server)
}

/// Logs every request, never its body, and turns a panic into a problem document.
async fn log(request: Request, next: Next) -> Response {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let id = COUNT.fetch_add(1, Ordering::Relaxed);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let start = Instant::now();
    let response = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = response.unwrap_or_else(|_| {
        tracing::error!(request = id, "the request's handler panicked");
        ServerError::Internal.into_response()
    });
    let (status, ms) = (response.status().as_u16(), start.elapsed().as_millis() as u64);
    tracing::info!(request = id, %method, path = shorten(&path), status, ms);
    response
}

/// Key ids are cut: they are all that is needed to have the server evaluate under a key.
fn shorten(path: &str) -> String {
    match path.split_once("/v1/keys/") {
        Some((_, id)) => format!("/v1/keys/{}...", id.chars().take(8).collect::<String>()),
        None => path.chars().take(120).collect(),
    }
}
