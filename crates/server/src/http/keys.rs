//! Registration of evaluation keys.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use cipherformer_circuit::parameters;
use cipherformer_fhe::{SeededEvaluationKey, size_limit};
use cipherformer_protocol::{KeyId, KeyInfo};
use serde::Deserialize;

use super::body;
use super::circuits::{Segment, segment};
use crate::error::ServerError;
use crate::server::Server;
use crate::store::Stored;

#[derive(Deserialize)]
pub(super) struct UploadQuery {
    parameter_set: String,
}

pub(super) async fn show(
    State(server): State<Server>,
    id: Segment,
) -> Result<Json<KeyInfo>, ServerError> {
    let id = key_id(&segment(id)?)?;
    let stored = server.keys.store().find(&id).ok_or(ServerError::UnknownKey)?;
    Ok(Json(info(id, stored)))
}

/// Stores a key after checking that it is what its id says and fits its parameter set.
pub(super) async fn register(
    State(server): State<Server>,
    id: Segment,
    query: Result<Query<UploadQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<KeyInfo>), ServerError> {
    let id = key_id(&segment(id)?)?;
    let Query(query) = query.map_err(|_| {
        ServerError::MalformedRequest("the query needs parameter_set=NAME; add it".to_owned())
    })?;
    let parameters = server.parameters(&query.parameter_set)?;
    let limit = size_limit(parameters.evaluation_key_bytes());
    let bytes = body::read(&headers, body, "evaluation key", limit).await?;
    if let Some(stored) = server.keys.store().find(&id) {
        return Ok((StatusCode::OK, Json(info(id, stored))));
    }
    let stored = Stored {
        parameters,
        bytes: bytes.len() as u64,
    };
    let answer = info(id.clone(), stored);
    // Hashing, parsing and syncing 31 MB must not hold up other requests.
    let stored = tokio::task::spawn_blocking(move || {
        if KeyId::of(&bytes) != id {
            return Err(ServerError::KeyIdMismatch);
        }
        SeededEvaluationKey::from_bytes(&bytes, parameters).map_err(ServerError::BadKey)?;
        Ok(server.keys.store().put(&id, parameters, &bytes)?)
    });
    stored.await.map_err(|_| ServerError::Internal)??;
    Ok((StatusCode::CREATED, Json(answer)))
}

pub(super) fn key_id(text: &str) -> Result<KeyId, ServerError> {
    text.parse()
        .map_err(|error| ServerError::MalformedRequest(format!("{error}; check the address")))
}

fn info(id: KeyId, stored: Stored) -> KeyInfo {
    KeyInfo {
        id,
        parameter_set: stored.parameters.name.to_owned(),
        bytes: stored.bytes,
    }
}

impl Server {
    /// A parameter set that some circuit of this server uses.
    fn parameters(
        &self,
        name: &str,
    ) -> Result<&'static cipherformer_circuit::ParameterSet, ServerError> {
        let used: Vec<&str> = self.circuits.iter().map(|c| c.parameters().name).collect();
        parameters::by_name(name)
            .filter(|set| used.contains(&set.name))
            .ok_or_else(|| ServerError::WrongParameterSet {
                needed: used.first().copied().unwrap_or_default(),
                got: name.chars().take(40).collect(),
            })
    }
}
