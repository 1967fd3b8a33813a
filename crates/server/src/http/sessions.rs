//! Sessions: texts that are evaluated token by token.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use cipherformer_circuit::{Circuit, InputKind};
use cipherformer_fhe::EncryptedBag;
use cipherformer_protocol::{FRAME_BYTES, SessionId, SessionInfo, unframe};
use serde::Deserialize;

use crate::circuits::{input, input_limit};
use crate::error::ServerError;
use crate::http::answer::{answer, octets};
use crate::http::body::Limited;
use crate::http::evaluations::CircuitQuery;
use crate::http::keys::key_id;
use crate::owner::Owner;
use crate::service::{Request, Service};
use crate::sessions::{Session, Turn};

/// The query of whatever is asked of a session: the key it belongs to.
#[derive(Deserialize)]
pub(super) struct KeyQuery {
    key: String,
}

/// The query of more tokens.
#[derive(Deserialize)]
pub(super) struct TokensQuery {
    key: String,
    position: usize,
}

type Id = Result<Path<String>, PathRejection>;

/// `POST /v1/circuits/{name}/sessions?key=ID&digest=DIGEST`
pub(super) async fn open(
    State(service): State<Arc<Service>>,
    name: Result<Path<String>, PathRejection>,
    query: Result<Query<CircuitQuery>, QueryRejection>,
    owner: Owner,
) -> Result<(StatusCode, Json<SessionInfo>), ServerError> {
    let (Path(name), Query(query)) = (name?, query?);
    let key = owner.of(key_id(&query.key)?);
    let circuit = service.circuit_for(&name, InputKind::Tokens, &query.digest, &key)?;
    let session = service.open_session(circuit, key).await?;
    Ok((StatusCode::CREATED, Json(info(&service, &session))))
}

/// `GET /v1/sessions/{id}?key=ID`
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    id: Id,
    query: Result<Query<KeyQuery>, QueryRejection>,
    owner: Owner,
) -> Result<Json<SessionInfo>, ServerError> {
    let session = find(&service, id, &query?.key, &owner).await?;
    Ok(Json(info(&service, &session)))
}

/// `GET /v1/sessions/{id}/logits?key=ID`
pub(super) async fn logits(
    State(service): State<Arc<Service>>,
    id: Id,
    query: Result<Query<KeyQuery>, QueryRejection>,
    owner: Owner,
) -> Result<Response, ServerError> {
    let session = find(&service, id, &query?.key, &owner).await?;
    let last = session.content().last.clone();
    last.map(octets).ok_or(ServerError::NoLogits)
}

/// `DELETE /v1/sessions/{id}?key=ID`
pub(super) async fn close(
    State(service): State<Arc<Service>>,
    id: Id,
    query: Result<Query<KeyQuery>, QueryRejection>,
    owner: Owner,
) -> Result<StatusCode, ServerError> {
    let (id, key) = (session_id(&id?)?, key_id(&query?.key)?);
    service.sessions.close(&id, &owner.of(key)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/sessions/{id}/tokens?key=ID&position=P`
pub(super) async fn append(
    State(service): State<Arc<Service>>,
    id: Id,
    query: Result<Query<TokensQuery>, QueryRejection>,
    owner: Owner,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ServerError> {
    let Query(query) = query?;
    let (id, key) = (session_id(&id?)?, key_id(&query.key)?);
    let registration = owner.of(key.clone());
    let session = service.sessions.find(&id, &registration).await?;
    let circuit = Arc::clone(&session.content().circuit);
    let limit = circuit.circuit().positions() * (FRAME_BYTES + input_limit(circuit.circuit()));
    let body = Limited::new("encrypted tokens", &headers, body, limit)?;
    let body = body.all().await?;
    // Only now, so that a slow upload keeps nobody from asking. It may have outlasted the session.
    let turn = service.sessions.turn(&id, &registration).await?;
    let request = Request {
        inputs: tokens(&turn, query.position, circuit.circuit(), &body)?,
        owner,
        key,
        circuit,
        turn: Some(turn),
        spending: None,
    };
    answer(service, request, &headers).await
}

/// The tokens of a body, if the session can go on with them.
fn tokens(
    turn: &Turn,
    expected: usize,
    circuit: &Circuit,
    body: &[u8],
) -> Result<Vec<EncryptedBag>, ServerError> {
    let malformed = |reason: String| ServerError::Tokens { reason };
    let parts = unframe(body).map_err(|error| malformed(error.to_string()))?;
    let position = turn.session().content().state.position();
    if position != expected {
        return Err(ServerError::SessionPosition { position });
    }
    if parts.is_empty() {
        return Err(malformed("the body is empty".to_owned()));
    }
    if parts.len() > circuit.positions() - position {
        return Err(ServerError::ContextExceeded {
            position,
            context: circuit.positions(),
            tokens: parts.len(),
        });
    }
    parts.into_iter().map(|part| input(circuit, part)).collect()
}

async fn find(
    service: &Service,
    id: Id,
    key: &str,
    owner: &Owner,
) -> Result<Arc<Session>, ServerError> {
    let (id, key) = (session_id(&id?)?, key_id(key)?);
    service.sessions.find(&id, &owner.of(key)).await
}

fn session_id(text: &str) -> Result<SessionId, ServerError> {
    text.parse().map_err(|error| ServerError::MalformedRequest {
        reason: format!("{error}; opening a session answers with one"),
    })
}

fn info(service: &Service, session: &Session) -> SessionInfo {
    let remaining = service.sessions.remaining(session);
    let content = session.content();
    SessionInfo {
        id: session.id.clone(),
        position: content.state.position(),
        context: content.circuit.circuit().positions(),
        busy: session.is_busy(),
        expires_in_seconds: remaining.as_secs_f64().ceil() as u64,
    }
}
