//! Evaluations of whole texts.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use cipherformer_circuit::InputKind;
use serde::Deserialize;

use crate::circuits::{input, input_limit};
use crate::error::ServerError;
use crate::http::answer::answer;
use crate::http::body::Limited;
use crate::http::keys::key_id;
use crate::owner::Owner;
use crate::service::{Request, Service};

/// The query of an evaluation, and of a new session.
#[derive(Deserialize)]
pub(super) struct CircuitQuery {
    pub(super) key: String,
    pub(super) digest: String,
}

/// `POST /v1/circuits/{name}/evaluations?key=ID&digest=DIGEST`
pub(super) async fn evaluate(
    State(service): State<Arc<Service>>,
    name: Result<Path<String>, PathRejection>,
    query: Result<Query<CircuitQuery>, QueryRejection>,
    owner: Owner,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ServerError> {
    let (Path(name), Query(query)) = (name?, query?);
    let request = read(&service, &name, &query, owner, &headers, body).await?;
    answer(service, request, &headers).await
}

async fn read(
    service: &Service,
    name: &str,
    query: &CircuitQuery,
    owner: Owner,
    headers: &HeaderMap,
    body: Body,
) -> Result<Request, ServerError> {
    let key = key_id(&query.key)?;
    let registration = owner.of(key.clone());
    let prepared = service.circuit_for(name, InputKind::Bag, &query.digest, &registration)?;
    let circuit = prepared.circuit();
    let body = Limited::new("encrypted input", headers, body, input_limit(circuit))?;
    Ok(Request {
        circuit: Arc::clone(prepared),
        owner,
        key,
        inputs: vec![input(circuit, &body.all().await?)?],
        turn: None,
        spending: None,
    })
}
