//! The public parts of circuits.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cipherformer_protocol::CircuitList;

use crate::error::ServerError;
use crate::service::Service;

type Name = Result<Path<String>, PathRejection>;

/// `GET /v1/circuits`
pub(super) async fn list(State(service): State<Arc<Service>>) -> Json<CircuitList> {
    Json(CircuitList {
        circuits: service.circuits.summaries(),
    })
}

/// `GET /v1/circuits/{name}`
pub(super) async fn manifest(
    State(service): State<Arc<Service>>,
    name: Name,
    headers: HeaderMap,
) -> Result<Response, ServerError> {
    let Path(name) = name?;
    let manifest = service.circuits.get(&name)?.circuit().manifest();
    Ok(tagged(&manifest.digest, &headers, || Json(manifest)))
}

/// `GET /v1/circuits/{name}/vocabulary`
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
