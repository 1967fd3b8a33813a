//! A session: a text that a server evaluates token by token, and never sees.

use std::sync::Arc;
use std::time::Duration;

use cipherformer_circuit::InputKind;
use cipherformer_protocol::{EvaluationResult, ProblemKind, SessionId, routes};

use crate::circuit::PublicCircuit;
use crate::client::Client;
use crate::error::ClientError;
use crate::keys::Keys;
use crate::observer::Activity;

/// How often, and how long, a lost answer is waited for.
const RECOVERY_ATTEMPTS: u32 = 300;
const RECOVERY_WAIT: Duration = Duration::from_secs(1);
/// How often in a row nobody may answer meanwhile.
const RECOVERY_SILENCES: u32 = 15;

/// A text that goes on. The server forgets it when it is closed, or idle for some minutes; then the
/// next [`Session::append`] opens another session and sends all tokens again.
pub struct Session<'a> {
    client: &'a Client,
    circuit: Arc<PublicCircuit>,
    keys: Arc<Keys>,
    id: SessionId,
    /// All tokens of the text.
    tokens: Vec<usize>,
    /// How many of them the server has.
    position: usize,
}

/// What the server made of the last token, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// One logit per token of the vocabulary, rounded to hide the noise.
    pub logits: Vec<f64>,
    /// Milliseconds of evaluation on the server, as it says.
    pub server_ms: f64,
    /// Programmable bootstraps the server did.
    pub luts: usize,
    /// Size of the encrypted tokens; the same for all tokens.
    pub request_bytes: usize,
    /// Size of the encrypted logits.
    pub response_bytes: usize,
}

impl Client {
    /// Opens a session of a circuit, under keys from [`Client::keys`].
    ///
    /// # Errors
    /// A circuit that continues no texts, the network, or a refusal.
    pub async fn open_session(
        &self,
        circuit: &Arc<PublicCircuit>,
        keys: &Arc<Keys>,
    ) -> Result<Session<'_>, ClientError> {
        circuit.expect_kind(InputKind::Tokens)?;
        Ok(Session {
            client: self,
            circuit: Arc::clone(circuit),
            keys: Arc::clone(keys),
            id: self.new_session(circuit, keys).await?,
            tokens: Vec::new(),
            position: 0,
        })
    }

    async fn new_session(
        &self,
        circuit: &PublicCircuit,
        keys: &Keys,
    ) -> Result<SessionId, ClientError> {
        let open = || self.http.open_session(circuit.manifest(), keys.record());
        let info = self.with_key(keys, open).await?;
        if info.context == circuit.context() && info.position == 0 {
            return Ok(info.id);
        }
        let reason = "it is not a new session of the circuit that was asked for";
        Err(ClientError::nonsense("session", reason))
    }
}

impl Session<'_> {
    /// The circuit that continues the text.
    pub fn circuit(&self) -> &PublicCircuit {
        &self.circuit
    }

    /// Has more tokens evaluated, all in one request; answers with the logits after the last of them.
    /// Waits while the server is busy, and asks for an answer that was lost on its way.
    ///
    /// # Errors
    /// No token or too many, the network, a refusal, or an answer that makes no sense. The text is then
    /// as it was before.
    pub async fn append(&mut self, tokens: &[usize]) -> Result<Step, ClientError> {
        if tokens.is_empty() || tokens.len() > self.remaining() {
            return Err(ClientError::NoRoom {
                tokens: tokens.len(),
                remaining: self.remaining(),
            });
        }
        let before = self.tokens.len();
        self.tokens.extend(tokens);
        let outcome = self.catch_up().await;
        if outcome.is_err() {
            self.tokens.truncate(before);
            self.position = self.position.min(before);
        }
        outcome
    }

    /// How many tokens have been evaluated.
    pub fn position(&self) -> usize {
        self.tokens.len()
    }

    /// How many more there may be.
    pub fn remaining(&self) -> usize {
        self.circuit.context() - self.tokens.len()
    }

    /// Ends the session at once, rather than when it has been idle for long.
    ///
    /// # Errors
    /// The network, or a session that has ended already.
    pub async fn close(self) -> Result<(), ClientError> {
        let record = self.keys.record();
        self.client.http.close_session(&self.id, record).await
    }

    /// Sends what the server does not have; all of it, to a new session, if the old one is of no use.
    async fn catch_up(&mut self) -> Result<Step, ClientError> {
        match self.send().await {
            Err(error) if is_elsewhere(&error) => {
                self.id = self.client.new_session(&self.circuit, &self.keys).await?;
                self.position = 0;
                self.send().await
            }
            outcome => outcome,
        }
    }

    async fn send(&mut self) -> Result<Step, ClientError> {
        let tokens = &self.tokens[self.position..];
        let request = self.circuit.encrypt_tokens(tokens, self.keys.secret())?;
        let result = match self.post(&request).await {
            Err(ClientError::Lost { .. }) => self.recover(&request).await,
            outcome => outcome,
        }?;
        if result.position != Some(self.tokens.len()) {
            let reason = "it is of another position";
            return Err(ClientError::nonsense("encrypted output", reason));
        }
        self.position = self.tokens.len();
        let secret = self.keys.secret();
        Ok(Step {
            logits: self.circuit.decrypt_logits(&result.output, secret)?,
            server_ms: result.server_ms,
            luts: result.luts,
            request_bytes: request.len(),
            response_bytes: result.output.len(),
        })
    }

    async fn post(&self, request: &[u8]) -> Result<EvaluationResult, ClientError> {
        let client = self.client;
        let path = routes::tokens(&self.id, &self.keys.record().id, self.position);
        let limit = self.circuit.response_limit();
        let observer = client.observer.as_ref();
        let attempt = || {
            let request = request.to_vec();
            client.http.evaluate(&path, request, limit, observer)
        };
        client.with_key(&self.keys, attempt).await
    }

    /// The answer was lost on its way. Perhaps the server has it, or is still working on it, or has
    /// never heard of the request.
    async fn recover(&self, request: &[u8]) -> Result<EvaluationResult, ClientError> {
        let (http, record) = (&self.client.http, self.keys.record());
        let mut silences = 0;
        for _ in 0..RECOVERY_ATTEMPTS {
            match http.session(&self.id, record).await {
                Ok(info) if info.position == self.tokens.len() => {
                    let limit = self.circuit.response_limit();
                    return http.logits(&self.id, record, limit).await;
                }
                Ok(info) if !info.busy => return self.post(request).await,
                Ok(_) => silences = 0,
                Err(error) if error.is_silence() && silences < RECOVERY_SILENCES => silences += 1,
                Err(error) => return Err(error),
            }
            self.client.observer.on(Activity::Waiting(RECOVERY_WAIT));
            tokio::time::sleep(RECOVERY_WAIT).await;
        }
        Err(ClientError::StillBusy {
            attempts: RECOVERY_ATTEMPTS,
        })
    }
}

/// The server has forgotten the session, or is further than we are because an answer was no use to us.
fn is_elsewhere(error: &ClientError) -> bool {
    use ProblemKind::{SessionPosition, UnknownSession};
    matches!(error.problem(), Some(UnknownSession | SessionPosition))
}
