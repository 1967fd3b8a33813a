//! Errors as responses.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cipherformer_protocol::{PROBLEM_JSON, Problem, upload};

use crate::error::ServerError;
use crate::http::request_id::RequestId;

impl IntoResponse for ServerError {
    fn into_response(self) -> Response {
        let problem = document(&self, RequestId::current());
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(offset) = self.upload_offset() {
            headers.insert(upload::OFFSET, HeaderValue::from(offset));
        }
        if let Some(challenge) = self.challenge() {
            let challenge = HeaderValue::from_static(challenge);
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(reason) = self.turned_away() {
            response.extensions_mut().insert(reason);
        }
        response
    }
}

/// The problem document of an error, with the id of its request.
pub(super) fn document(error: &ServerError, id: Option<RequestId>) -> Problem {
    error.problem().of_request(id.map(|id| id.to_string()))
}

impl ServerError {
    /// What a client must bring, if it has not, in the words of RFC 6750.
    fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::NoToken => Some(r#"Bearer realm="cipherformer""#),
            Self::WrongToken | Self::ExpiredToken { .. } => {
                Some(r#"Bearer realm="cipherformer", error="invalid_token""#)
            }
            _ => None,
        }
    }
}

impl From<PathRejection> for ServerError {
    fn from(rejection: PathRejection) -> Self {
        Self::MalformedRequest {
            reason: format!("{}; check the address", rejection.body_text()),
        }
    }
}

impl From<QueryRejection> for ServerError {
    fn from(rejection: QueryRejection) -> Self {
        Self::MalformedRequest {
            reason: format!("{}; check the query", rejection.body_text()),
        }
    }
}
