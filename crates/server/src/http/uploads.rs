//! Bodies of keys: whole, or the rest of one that broke off.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use cipherformer_protocol::{KeyId, KeyInfo, routes, upload};
use serde::Deserialize;

use crate::error::ServerError;
use crate::http::body::Limited;
use crate::http::keys::key_id;
use crate::http::openapi::{Octets, OffsetProblems, ResumeProblems};
use crate::owner::{Owner, Registration};
use crate::service::Service;
use crate::store::{Upload, key_limit, short};

/// The query of an upload.
#[derive(Deserialize)]
pub(super) struct UploadQuery {
    pub(super) parameter_set: String,
}

/// How much has arrived of an upload that broke off.
#[utoipa::path(
    head,
    operation_id = "upload_offset",
    path = routes::UPLOAD,
    tag = "keys",
    params(
        ("id" = KeyId, Path, description = "SHA-256 of the key"),
        ("parameter_set" = String, Query, description = "the set it was made for")
    ),
    responses(
        (
            status = 204,
            description = "it can go on",
            headers(("upload-offset" = u64, description = "how many bytes have arrived"))
        ),
        OffsetProblems
    )
)]
pub(super) async fn offset(
    State(service): State<Arc<Service>>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<UploadQuery>, QueryRejection>,
    owner: Owner,
) -> Result<Response, ServerError> {
    let key = owner.of(key_id(&id?)?);
    let parameters = service.store.parameter_set(&query?.parameter_set)?;
    let offset = service.store.upload_offset(&key, parameters)?;
    Ok(arrived(StatusCode::NO_CONTENT, offset))
}

/// Goes on with an upload that broke off.
#[utoipa::path(
    patch,
    operation_id = "resume_upload",
    path = routes::UPLOAD,
    tag = "keys",
    params(
        ("id" = KeyId, Path, description = "SHA-256 of the key"),
        ("parameter_set" = String, Query, description = "the set it was made for"),
        ("upload-offset" = u64, Header, description = "how many bytes have arrived before these"),
        ("upload-length" = Option<u64>, Header, description = "how many there are in all")
    ),
    request_body(
        content = inline(Octets),
        content_type = "application/octet-stream",
        description = "The rest of the key, or a part of it"
    ),
    responses(
        (status = 201, description = "that was the last of it: it is registered now", body = KeyInfo),
        (status = 200, description = "that was the last of it, and it was registered before", body = KeyInfo),
        (
            status = 202,
            description = "that much of it has arrived",
            headers(("upload-offset" = u64, description = "how many bytes"))
        ),
        ResumeProblems
    )
)]
pub(super) async fn resume(
    State(service): State<Arc<Service>>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<UploadQuery>, QueryRejection>,
    owner: Owner,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ServerError> {
    let key = owner.of(key_id(&id?)?);
    let parameters = service.store.parameter_set(&query?.parameter_set)?;
    let offset =
        number(&headers, upload::OFFSET)?.ok_or_else(|| ServerError::MalformedRequest {
            reason: "Upload-Offset is missing; ask for it with HEAD at this address".to_owned(),
        })?;
    let total = number(&headers, upload::LENGTH)?;
    let limit = key_limit(parameters);
    let rest = limit.saturating_sub(usize::try_from(offset).unwrap_or(usize::MAX));
    let body = Limited::up_to("rest of the evaluation key", &headers, body, rest, None)?;
    let upload = service
        .store
        .resume_upload(key.clone(), parameters, offset, total);
    receive(&service, key, upload, body).await
}

/// Takes a body in, and registers the key if that was the last of it.
pub(super) async fn receive(
    service: &Service,
    key: Registration,
    upload: Result<Upload, ServerError>,
    mut body: Limited,
) -> Result<Response, ServerError> {
    let upload = take(upload, &mut body).await?;
    if upload.missing().is_some_and(|missing| missing > 0) {
        let offset = upload.arrived();
        upload.suspend().await;
        return Ok(arrived(StatusCode::ACCEPTED, offset));
    }
    let new = upload.finish().await?;
    tracing::info!(key = short(&key.id), new, "key registered");
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(service.key_info(&key)?)).into_response())
}

/// What a connection brought before it broke is kept; what is wrong is not.
async fn take(
    upload: Result<Upload, ServerError>,
    body: &mut Limited,
) -> Result<Upload, ServerError> {
    let mut upload = upload?;
    let error = loop {
        let piece = match body.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return Ok(upload),
            Err(error) => break error,
        };
        if upload
            .missing()
            .is_some_and(|left| left < piece.len() as u64)
        {
            break ServerError::MalformedRequest {
                reason: "the body is longer than Upload-Length said; send the key anew".to_owned(),
            };
        }
        if let Err(error) = upload.write(&piece).await {
            break error;
        }
    };
    match error {
        ServerError::BodyInterrupted => upload.suspend().await,
        _ => upload.discard(),
    }
    Err(error)
}

fn arrived(status: StatusCode, offset: u64) -> Response {
    (status, [(upload::OFFSET, offset.to_string())]).into_response()
}

/// A header that is a number, if it is there.
pub(super) fn number(headers: &HeaderMap, name: &'static str) -> Result<Option<u64>, ServerError> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(ServerError::MalformedRequest {
            reason: format!("{name} is not a number of bytes; correct it"),
        }),
    }
}
