//! The one map from errors to problem documents.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cipherformer_fhe::FheError;
use cipherformer_protocol::{PROBLEM_JSON, Problem, ProblemKind};

use crate::error::ServerError;

impl From<&ServerError> for Problem {
    fn from(error: &ServerError) -> Self {
        Self::new(kind(error), error.to_string())
    }
}

fn kind(error: &ServerError) -> ProblemKind {
    match error {
        ServerError::UnknownRoute => ProblemKind::UnknownRoute,
        ServerError::MethodNotAllowed => ProblemKind::MethodNotAllowed,
        ServerError::MalformedRequest(_) | ServerError::IncompleteBody => {
            ProblemKind::MalformedRequest
        }
        ServerError::UnknownCircuit { .. } => ProblemKind::UnknownCircuit,
        ServerError::CircuitUnavailable { .. } => ProblemKind::CircuitUnavailable,
        ServerError::StaleCircuit { .. } => ProblemKind::StaleCircuit,
        ServerError::UnknownKey => ProblemKind::UnknownKey,
        ServerError::KeyIdMismatch => ProblemKind::MalformedKey,
        ServerError::BadKey(error) => fhe_kind(error, ProblemKind::MalformedKey),
        ServerError::BadInput(error) => fhe_kind(error, ProblemKind::MalformedInput),
        ServerError::WrongParameterSet { .. } => ProblemKind::WrongParameterSet,
        ServerError::TooLarge { .. } => ProblemKind::TooLarge,
        ServerError::Busy => ProblemKind::Busy,
        ServerError::StorageFull => ProblemKind::StorageFull,
        ServerError::Storage(_) => ProblemKind::StorageUnavailable,
        ServerError::Internal => ProblemKind::Internal,
    }
}

fn fhe_kind(error: &FheError, malformed: ProblemKind) -> ProblemKind {
    match error {
        FheError::Checksum { .. } | FheError::Malformed { .. } => malformed,
        FheError::TooLarge { .. } => ProblemKind::TooLarge,
        FheError::ParameterSet { .. } => ProblemKind::WrongParameterSet,
        // Everything from outside was checked when it was read.
        FheError::Shape { .. } => ProblemKind::Internal,
    }
}

impl IntoResponse for ServerError {
    fn into_response(self) -> Response {
        let problem = Problem::from(&self);
        if problem.status >= 500 {
            tracing::error!("{self}");
        }
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).expect("plain data");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if problem.kind == ProblemKind::Busy {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
