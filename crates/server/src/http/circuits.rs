//! What clients may know of circuits.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use cipherformer_circuit::Manifest;
use cipherformer_protocol::{CircuitList, CircuitSummary};

use crate::error::ServerError;
use crate::server::Server;

/// A path segment, or why it could not be read.
pub(super) type Segment = Result<Path<String>, PathRejection>;

pub(super) async fn list(State(server): State<Server>) -> Json<CircuitList> {
    let summary = |circuit: &cipherformer_circuit::Circuit| {
        let manifest = circuit.manifest();
        CircuitSummary {
            name: manifest.name.clone(),
            description: manifest.description.clone(),
            digest: manifest.digest.clone(),
            parameter_set: manifest.parameter_set.clone(),
        }
    };
    Json(CircuitList {
        circuits: server.circuits.iter().map(summary).collect(),
    })
}

pub(super) async fn manifest(
    State(server): State<Server>,
    name: Segment,
) -> Result<Json<Manifest>, ServerError> {
    let prepared = server.circuits.get(&segment(name)?)?;
    Ok(Json(prepared.circuit().manifest().clone()))
}

pub(super) async fn vocabulary(
    State(server): State<Server>,
    name: Segment,
) -> Result<impl IntoResponse, ServerError> {
    let prepared = server.circuits.get(&segment(name)?)?;
    let text = prepared.circuit().vocabulary().to_text();
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text))
}

pub(super) fn segment(segment: Segment) -> Result<String, ServerError> {
    let Path(text) = segment.map_err(|_| {
        ServerError::MalformedRequest("the address is not valid UTF-8; check it".to_owned())
    })?;
    Ok(text)
}
