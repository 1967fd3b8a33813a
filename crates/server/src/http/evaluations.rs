//! Evaluations of whole texts.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use cipherformer_circuit::InputKind;
use cipherformer_protocol::{KeyId, routes};
use serde::Deserialize;

use crate::circuits::{input, input_limit};
use crate::error::ServerError;
use crate::http::answer::answer;
use crate::http::body::Limited;
use crate::http::keys::key_id;
use crate::http::openapi::{EvaluationProblems, Events, Octets};
use crate::owner::Owner;
use crate::service::{Request, Service};

/// The query of an evaluation, and of a new session.
#[derive(Deserialize)]
pub(super) struct CircuitQuery {
    pub(super) key: String,
    pub(super) digest: String,
}

/// Has a whole encrypted text evaluated. Stops when the client leaves.
#[utoipa::path(
    post,
    path = routes::EVALUATIONS,
    tag = "evaluations",
    params(
        ("name" = String, Path, description = "a circuit's name", pattern = "^[a-z0-9-]{1,64}$"),
        ("key" = KeyId, Query, description = "the evaluation key"),
        ("digest" = String, Query, description = "the circuit's digest that the client encrypted for")
    ),
    request_body(
        content = inline(Octets),
        content_type = "application/octet-stream",
        description = "The encrypted input"
    ),
    responses(
        (
            status = 200,
            description = "the encrypted output, or events if `text/event-stream` is accepted",
            content((inline(Octets) = "application/octet-stream"), (inline(Events) = "text/event-stream")),
            headers(
                ("cipherformer-server-ms" = f64, description = "milliseconds of evaluation"),
                ("cipherformer-luts" = u64, description = "LUTs it took"),
                ("cipherformer-ring-products" = u64, description = "ring products it took")
            )
        ),
        EvaluationProblems
    )
)]
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
