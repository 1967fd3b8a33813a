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
use cipherformer_protocol::{FRAME_BYTES, KeyId, SessionId, SessionInfo, routes, unframe};
use serde::Deserialize;

use crate::circuits::{input, input_limit};
use crate::error::ServerError;
use crate::http::answer::{answer, octets};
use crate::http::body::Limited;
use crate::http::evaluations::CircuitQuery;
use crate::http::keys::key_id;
use crate::http::openapi::{
    Events, LogitsProblems, Octets, OpenProblems, SessionProblems, TokensProblems,
};
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

/// Opens a session of a circuit that continues texts.
#[utoipa::path(
    post,
    operation_id = "open_session",
    path = routes::SESSIONS,
    tag = "sessions",
    params(
        ("name" = String, Path, description = "a circuit's name", pattern = "^[a-z0-9-]{1,64}$"),
        ("key" = KeyId, Query, description = "the evaluation key"),
        ("digest" = String, Query, description = "the circuit's digest that the client encrypts for")
    ),
    responses((status = 201, description = "it is open", body = SessionInfo), OpenProblems)
)]
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

/// Where a session is.
#[utoipa::path(
    get,
    operation_id = "show_session",
    path = routes::SESSION,
    tag = "sessions",
    params(("id" = SessionId, Path, description = "the session"), ("key" = KeyId, Query, description = "the evaluation key")),
    responses((status = 200, description = "where it is", body = SessionInfo), SessionProblems)
)]
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    id: Id,
    query: Result<Query<KeyQuery>, QueryRejection>,
    owner: Owner,
) -> Result<Json<SessionInfo>, ServerError> {
    let session = find(&service, id, &query?.key, &owner).await?;
    Ok(Json(info(&service, &session)))
}

/// The last encrypted output again.
#[utoipa::path(
    get,
    path = routes::LOGITS,
    tag = "sessions",
    params(("id" = SessionId, Path, description = "the session"), ("key" = KeyId, Query, description = "the evaluation key")),
    responses(
        (
            status = 200,
            description = "the answer to the last tokens",
            body = inline(Octets),
            content_type = "application/octet-stream"
        ),
        LogitsProblems
    )
)]
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

/// Ends a session.
#[utoipa::path(
    delete,
    operation_id = "close_session",
    path = routes::SESSION,
    tag = "sessions",
    params(("id" = SessionId, Path, description = "the session"), ("key" = KeyId, Query, description = "the evaluation key")),
    responses((status = 204, description = "it is gone"), SessionProblems)
)]
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

/// Has more tokens of a session evaluated, to their end even if the client leaves.
#[utoipa::path(
    post,
    operation_id = "append_tokens",
    path = routes::TOKENS,
    tag = "sessions",
    params(
        ("id" = SessionId, Path, description = "the session"),
        ("key" = KeyId, Query, description = "the evaluation key"),
        ("position" = usize, Query, description = "where the session is, so that nothing is appended twice")
    ),
    request_body(
        content = inline(Octets),
        content_type = "application/octet-stream",
        description = "Encrypted tokens, each behind its length of 4 bytes, most significant first"
    ),
    responses(
        (
            status = 200,
            description = "the encrypted output, or events if `text/event-stream` is accepted",
            content((inline(Octets) = "application/octet-stream"), (inline(Events) = "text/event-stream")),
            headers(
                ("cipherformer-server-ms" = f64, description = "milliseconds of evaluation"),
                ("cipherformer-luts" = u64, description = "LUTs it took"),
                ("cipherformer-ring-products" = u64, description = "ring products it took"),
                ("cipherformer-position" = u64, description = "how many positions the session has had")
            )
        ),
        TokensProblems
    )
)]
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
