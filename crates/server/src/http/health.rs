//! What an operator's programs ask: does it live, can it serve, what are its figures.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use cipherformer_protocol::routes;

use crate::blocking::blocking;
use crate::error::ServerError;
use crate::http::openapi::{NoProblems, ReadyProblems};
use crate::metrics::MEDIA_TYPE;
use crate::service::Service;

/// Answers as long as the process can.
#[utoipa::path(
    get,
    path = routes::HEALTH,
    tag = "operation",
    responses((status = 200, description = "the server lives", body = String))
)]
pub(super) async fn health() -> &'static str {
    "alive\n"
}

/// Says whether requests can be taken.
#[utoipa::path(
    get,
    path = routes::READY,
    tag = "operation",
    responses((status = 200, description = "requests are taken", body = String), ReadyProblems)
)]
pub(super) async fn ready(
    State(service): State<Arc<Service>>,
) -> Result<&'static str, ServerError> {
    blocking(move || service.check_ready()).await?;
    Ok("ready\n")
}

/// Figures in the text format of Prometheus.
#[utoipa::path(
    get,
    path = routes::METRICS,
    tag = "operation",
    responses(
        (status = 200, description = "figures, version 0.0.4 of the format", body = String),
        NoProblems
    )
)]
pub(super) async fn metrics(
    State(service): State<Arc<Service>>,
) -> Result<impl IntoResponse, ServerError> {
    let text = blocking(move || Ok(service.figures())).await?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text))
}
