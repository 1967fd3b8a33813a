//! Sessions from the client's side.

use cipherformer_circuit::Manifest;
use cipherformer_protocol::{EvaluationResult, SessionId, SessionInfo, routes};

use super::{Http, JSON_LIMIT, body};
use crate::error::ClientError;
use crate::keys::KeyRecord;

const WHAT: &str = "session";

impl Http {
    /// Opens a session of a circuit.
    pub(crate) async fn open_session(
        &self,
        manifest: &Manifest,
        key: &KeyRecord,
    ) -> Result<SessionInfo, ClientError> {
        let path = routes::sessions(&manifest.name, &key.id, &manifest.digest);
        let response = self.send(self.client.post(self.url(&path))).await?;
        body::json(response, JSON_LIMIT, WHAT, &self.base).await
    }

    /// What the server says of a session.
    pub(crate) async fn session(
        &self,
        id: &SessionId,
        key: &KeyRecord,
    ) -> Result<SessionInfo, ClientError> {
        self.json(&routes::session(id, &key.id), WHAT).await
    }

    /// The last answer of a session, which may have `limit` bytes.
    pub(crate) async fn logits(
        &self,
        id: &SessionId,
        key: &KeyRecord,
        limit: usize,
    ) -> Result<EvaluationResult, ClientError> {
        let response = self.send(self.get(&routes::logits(id, &key.id))).await?;
        body::evaluation(response, limit, &self.base).await
    }

    /// Ends a session.
    pub(crate) async fn close_session(
        &self,
        id: &SessionId,
        key: &KeyRecord,
    ) -> Result<(), ClientError> {
        let path = routes::session(id, &key.id);
        let request = self.client.delete(self.url(&path));
        self.send(request).await.map(drop)
    }
}
