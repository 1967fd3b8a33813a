//! Registration of evaluation keys.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use cipherformer_protocol::{KeyId, KeyInfo};
use serde::Deserialize;

use crate::error::ServerError;
use crate::http::body::Limited;
use crate::service::Service;
use crate::store::{Upload, key_limit, short};

/// The query of an upload.
#[derive(Deserialize)]
pub(super) struct UploadQuery {
    parameter_set: String,
}

/// `GET /v1/keys/{id}`
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<KeyInfo>, ServerError> {
    service.key_info(&key_id(&id?)?).map(Json)
}

/// `PUT /v1/keys/{id}?parameter_set=NAME`
pub(super) async fn register(
    State(service): State<Arc<Service>>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<UploadQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<KeyInfo>), ServerError> {
    let id = key_id(&id?)?;
    let parameters = service.store.parameter_set(&query?.parameter_set)?;
    let mut body = Limited::new("evaluation key", &headers, body, key_limit(parameters))?;
    let upload = match receive(&service, &mut body).await {
        Ok(upload) => upload,
        Err(error) => {
            // A client that is still sending would not see an answer.
            body.drain().await;
            return Err(error);
        }
    };
    let store = Arc::clone(&service.store);
    let new = store.finish(upload, id.clone(), parameters).await?;
    tracing::info!(key = short(&id), new, "key registered");
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(service.key_info(&id)?)))
}

async fn receive(service: &Service, body: &mut Limited) -> Result<Upload, ServerError> {
    let mut upload = service.store.upload()?;
    while let Some(piece) = body.next().await? {
        upload.write(&piece).await?;
    }
    upload.sync().await?;
    Ok(upload)
}

/// Reads a key id from a path or query.
pub(super) fn key_id(text: &str) -> Result<KeyId, ServerError> {
    text.parse().map_err(|error| ServerError::MalformedRequest {
        reason: format!("{error}; the client's `keys show` prints it"),
    })
}
