//! The public parts of circuits.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cipherformer_protocol::{CircuitList, routes};

use crate::error::ServerError;
use crate::http::openapi::{CircuitProblems, NoProblems};
use crate::service::Service;

type Name = Result<Path<String>, PathRejection>;

/// The circuits on offer.
#[utoipa::path(
    get,
    operation_id = "list_circuits",
    path = routes::CIRCUITS,
    tag = "circuits",
    responses((status = 200, description = "in order of their names", body = CircuitList), NoProblems)
)]
pub(super) async fn list(State(service): State<Arc<Service>>) -> Json<CircuitList> {
    Json(CircuitList {
        circuits: service.circuits.summaries(),
    })
}

/// What a client must know of a circuit: layouts, parameter set and digest.
#[utoipa::path(
    get,
    path = routes::CIRCUIT,
    tag = "circuits",
    params(("name" = String, Path, description = "a circuit's name", pattern = "^[a-z0-9-]{1,64}$")),
    responses(
        (
            status = 200,
            description = "the public manifest",
            body = inline(Object),
            headers(("etag" = String, description = "the circuit's digest"))
        ),
        (status = 304, description = "the one of `If-None-Match` is the newest"),
        CircuitProblems
    )
)]
pub(super) async fn manifest(
    State(service): State<Arc<Service>>,
    name: Name,
    headers: HeaderMap,
) -> Result<Response, ServerError> {
    let Path(name) = name?;
    let manifest = service.circuits.get(&name)?.circuit().manifest();
    Ok(tagged(&manifest.digest, &headers, || Json(manifest)))
}

/// The features that a circuit looks at.
#[utoipa::path(
    get,
    path = routes::VOCABULARY,
    tag = "circuits",
    params(("name" = String, Path, description = "a circuit's name", pattern = "^[a-z0-9-]{1,64}$")),
    responses(
        (
            status = 200,
            description = "one feature a line",
            body = String,
            headers(("etag" = String, description = "the vocabulary's SHA-256"))
        ),
        (status = 304, description = "the one of `If-None-Match` is the newest"),
        CircuitProblems
    )
)]
pub(super) async fn vocabulary(
    State(service): State<Arc<Service>>,
    name: Name,
    headers: HeaderMap,
) -> Result<Response, ServerError> {
    let Path(name) = name?;
    let circuit = service.circuits.get(&name)?.circuit();
    let tag = &circuit.manifest().input.vocabulary_sha256;
    Ok(tagged(tag, &headers, || circuit.vocabulary().to_text()))
}

/// The content under its tag, or 304 if the client has it.
fn tagged<T: IntoResponse>(
    digest: &str,
    headers: &HeaderMap,
    content: impl FnOnce() -> T,
) -> Response {
    let tag = format!("\"{digest}\"");
    let has_it = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|given| given.trim().trim_start_matches("W/") == tag);
    let tag = [(header::ETAG, tag)];
    if has_it {
        (StatusCode::NOT_MODIFIED, tag).into_response()
    } else {
        (tag, content()).into_response()
    }
}
