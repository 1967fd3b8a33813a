//! Evaluation keys at the server, but for their upload.

use cipherformer_protocol::{KeyId, KeyInfo, ProblemKind, routes};

use super::Http;
use crate::error::ClientError;

const WHAT: &str = "key description";

impl Http {
    /// What the server says of a key, if it has it.
    pub(crate) async fn key(&self, id: &KeyId) -> Result<Option<KeyInfo>, ClientError> {
        unless_unknown(self.json(&routes::key(id), WHAT).await)
    }

    /// Has the server delete a key, and all that belongs to it; `false` if it had nothing.
    pub(crate) async fn delete_key(&self, id: &KeyId) -> Result<bool, ClientError> {
        let request = self.client.delete(self.url(&routes::key(id)));
        let answer = unless_unknown(self.send(request).await)?;
        Ok(answer.is_some())
    }
}

/// `None` if the server knows no such key.
fn unless_unknown<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.problem() == Some(ProblemKind::UnknownKey) => Ok(None),
        Err(error) => Err(error),
    }
}
