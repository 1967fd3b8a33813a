//! Registration and deletion of evaluation keys.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use cipherformer_protocol::{KeyId, KeyInfo, routes, upload};

use crate::error::ServerError;
use crate::http::body::{Limited, announced};
use crate::http::openapi::{KeyProblems, Octets, UploadProblems};
use crate::http::uploads::{UploadQuery, number, receive};
use crate::owner::Owner;
use crate::service::Service;
use crate::store::{key_limit, short};

/// What is known of a registered evaluation key.
#[utoipa::path(
    get,
    operation_id = "show_key",
    path = routes::KEY,
    tag = "keys",
    params(("id" = KeyId, Path, description = "SHA-256 of the key")),
    responses((status = 200, description = "it is registered", body = KeyInfo), KeyProblems)
)]
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    id: Result<Path<String>, PathRejection>,
    owner: Owner,
) -> Result<Json<KeyInfo>, ServerError> {
    service.key_info(&owner.of(key_id(&id?)?)).map(Json)
}

/// Registers an evaluation key.
#[utoipa::path(
    put,
    operation_id = "register_key",
    path = routes::KEY,
    tag = "keys",
    params(
        ("id" = KeyId, Path, description = "SHA-256 of the key"),
        ("parameter_set" = String, Query, description = "the set it was made for")
    ),
    request_body(
        content = inline(Octets),
        content_type = "application/octet-stream",
        description = "The evaluation key"
    ),
    responses(
        (status = 201, description = "it is registered now", body = KeyInfo),
        (status = 200, description = "it was registered before", body = KeyInfo),
        (
            status = 202,
            description = "that much of it has arrived",
            headers(("upload-offset" = u64, description = "how many bytes"))
        ),
        UploadProblems
    )
)]
pub(super) async fn register(
    State(service): State<Arc<Service>>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<UploadQuery>, QueryRejection>,
    owner: Owner,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ServerError> {
    let key = owner.of(key_id(&id?)?);
    let parameters = service.store.parameter_set(&query?.parameter_set)?;
    let total = match number(&headers, upload::LENGTH)? {
        Some(total) => Some(total),
        None => announced(&headers),
    };
    let limit = key_limit(parameters);
    let body = Limited::up_to("evaluation key", &headers, body, limit, total)?;
    let upload = service.store.begin_upload(key.clone(), parameters, total);
    receive(&service, key, upload, body).await
}

/// Deletes an evaluation key, and all that belongs to it.
#[utoipa::path(
    delete,
    operation_id = "delete_key",
    path = routes::KEY,
    tag = "keys",
    params(("id" = KeyId, Path, description = "SHA-256 of the key")),
    responses((status = 204, description = "it is gone"), KeyProblems)
)]
pub(super) async fn delete(
    State(service): State<Arc<Service>>,
    id: Result<Path<String>, PathRejection>,
    owner: Owner,
) -> Result<StatusCode, ServerError> {
    let key = owner.of(key_id(&id?)?);
    let name = short(&key.id);
    service.delete_key(key).await?;
    tracing::info!(key = name, "key deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// Reads a key id from a path or query.
pub(super) fn key_id(text: &str) -> Result<KeyId, ServerError> {
    text.parse().map_err(|error| ServerError::MalformedRequest {
        reason: format!("{error}; the client's `keys show` prints it"),
    })
}
