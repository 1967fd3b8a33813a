//! Errors as clients see them: problem documents (RFC 9457).

use serde::{Deserialize, Serialize};

/// What went wrong, in the terms of this interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// No such path.
    UnknownRoute,
    /// No such method on this path.
    MethodNotAllowed,
    /// A path or query that does not say what it should.
    MalformedRequest,
    /// No token came, or none that the server takes.
    Unauthorized,
    /// The server has no circuit of that name.
    UnknownCircuit,
    /// The server has the circuit, but cannot load it.
    CircuitUnavailable,
    /// The client encrypted for another version of the circuit.
    StaleCircuit,
    /// An evaluation of a circuit that takes sessions, or the other way round.
    WrongOperation,
    /// There is no session of that id and key; sessions end when nobody uses them.
    UnknownSession,
    /// Tokens of the session are being evaluated already.
    SessionBusy,
    /// The session is not at the position that the client thinks.
    SessionPosition,
    /// The session has no room for so many tokens.
    ContextExceeded,
    /// As many sessions are open as may be.
    TooManySessions,
    /// The server has no evaluation key of that id.
    UnknownKey,
    /// The owner has as many evaluation keys registered as may be.
    TooManyKeys,
    /// There is no upload of that key to go on with.
    UnknownUpload,
    /// The upload is not where the client thinks; the answer's `Upload-Offset` says where.
    UploadOffset,
    /// Another request is uploading the key.
    UploadBusy,
    /// Bytes that are not a usable evaluation key.
    MalformedKey,
    /// Bytes that are not a usable encrypted input.
    MalformedInput,
    /// Key, input and circuit are not of one parameter set.
    WrongParameterSet,
    /// A body larger than anything of its kind can be.
    TooLarge,
    /// The server cannot take more work now.
    Busy,
    /// The owner has had as much evaluated as may be in a day.
    BudgetExhausted,
    /// The server is about to stop and begins no evaluation.
    ShuttingDown,
    /// The server cannot take requests at the moment.
    NotReady,
    /// The server's data directory is full.
    StorageFull,
    /// The server's data directory cannot be read or written.
    StorageUnavailable,
    /// A bug in the server.
    Internal,
}

impl ProblemKind {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::MalformedRequest => 400,
            Self::Unauthorized => 401,
            Self::UnknownRoute
            | Self::UnknownCircuit
            | Self::UnknownKey
            | Self::UnknownUpload
            | Self::UnknownSession => 404,
            Self::MethodNotAllowed => 405,
            Self::StaleCircuit
            | Self::WrongParameterSet
            | Self::WrongOperation
            | Self::SessionBusy
            | Self::SessionPosition
            | Self::ContextExceeded
            | Self::TooManyKeys
            | Self::UploadOffset
            | Self::UploadBusy => 409,
            Self::TooLarge => 413,
            Self::MalformedKey | Self::MalformedInput => 422,
            Self::Busy | Self::BudgetExhausted | Self::TooManySessions => 429,
            Self::Internal => 500,
            Self::StorageUnavailable
            | Self::CircuitUnavailable
            | Self::ShuttingDown
            | Self::NotReady => 503,
            Self::StorageFull => 507,
        }
    }

    /// A short summary, the same for every occurrence.
    pub fn title(self) -> &'static str {
        match self {
            Self::UnknownRoute => "There is nothing at this address",
            Self::MethodNotAllowed => "This address does not take this method",
            Self::MalformedRequest => "The request cannot be understood",
            Self::Unauthorized => "A token is needed",
            Self::UnknownCircuit => "There is no such circuit",
            Self::CircuitUnavailable => "The circuit cannot be loaded",
            Self::StaleCircuit => "The circuit has changed",
            Self::WrongOperation => "The circuit does not work this way",
            Self::UnknownSession => "There is no such session",
            Self::SessionBusy => "The session is at work",
            Self::SessionPosition => "The session is at another position",
            Self::ContextExceeded => "The session has no room for this",
            Self::TooManySessions => "Too many sessions are open",
            Self::UnknownKey => "The evaluation key is not registered",
            Self::TooManyKeys => "Too many evaluation keys are registered",
            Self::UnknownUpload => "There is no such upload",
            Self::UploadOffset => "The upload is at another offset",
            Self::UploadBusy => "The key is being uploaded",
            Self::MalformedKey => "The evaluation key is not usable",
            Self::MalformedInput => "The encrypted input is not usable",
            Self::WrongParameterSet => "The parameter sets do not match",
            Self::TooLarge => "The body is too large",
            Self::Busy => "The server is busy",
            Self::BudgetExhausted => "The budget of today is used up",
            Self::ShuttingDown => "The server is about to stop",
            Self::NotReady => "The server is not ready",
            Self::StorageFull => "The server's storage is full",
            Self::StorageUnavailable => "The server's storage is unavailable",
            Self::Internal => "The server has a bug",
        }
    }
}

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// What went wrong; serialized as the document's type, a relative URI reference.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// A short summary of the kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do next.
    pub detail: String,
    /// The request's id, which is in the server's log too: what to tell the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// A problem of this kind; `detail` says what happened and what to do next.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            request_id: None,
        }
    }

    /// The same, of the request with this id.
    #[must_use]
    pub fn of_request(mut self, id: Option<String>) -> Self {
        self.request_id = id;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_has_the_members_of_rfc_9457() {
        let problem = Problem::new(ProblemKind::UnknownKey, "register it");
        let json = serde_json::to_value(&problem).expect("plain data");
        assert_eq!(
            json,
            serde_json::json!({
                "type": "unknown-key",
                "title": "The evaluation key is not registered",
                "status": 404,
                "detail": "register it",
            })
        );
        let problem = problem.of_request(Some("17".to_owned()));
        let json = serde_json::to_value(&problem).expect("plain data");
        assert_eq!(json["request_id"], "17");
    }
}
