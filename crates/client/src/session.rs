//! A session: a text that a server evaluates token by token, and never sees.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cipherformer_circuit::InputKind;
use cipherformer_protocol::{EvaluationResult, ProblemKind, SessionId, routes};

use crate::circuit::PublicCircuit;
use crate::client::{Client, milliseconds};
use crate::error::ClientError;
use crate::keys::Keys;
use crate::observer::Wire;
use crate::patience::Patience;

/// Between two questions for an answer that was lost.
const RECOVERY_WAIT: Duration = Duration::from_secs(1);
/// How often in a row nobody may answer meanwhile.
const SILENCES: u32 = 15;

/// A text that goes on. The server forgets it when it is closed, or idle for some minutes; then the
/// next [`Session::append`] opens another session and sends all tokens again.
pub struct Session<'a> {
    client: &'a Client,
    circuit: Arc<PublicCircuit>,
    keys: Arc<Keys>,
    id: SessionId,
    /// Those evaluated so far.
    tokens: Vec<usize>,
    /// Whether they are what the server has. Not so while a request is under way, nor after one that failed
    /// or was given up: the server may have got it.
    in_step: bool,
}

/// What the server made of the last token, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// One logit per token of the vocabulary, rounded; see SECURITY.md before publishing them.
    pub logits: Vec<f64>,
    /// Milliseconds of encryption on this computer.
    pub encrypt_ms: f64,
    /// Milliseconds of evaluation on the server, as it says.
    pub server_ms: f64,
    /// Milliseconds from sending the request to having the answer.
    pub round_trip_ms: f64,
    /// Milliseconds of decryption on this computer.
    pub decrypt_ms: f64,
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
            in_step: true,
        })
    }

    async fn new_session(
        &self,
        circuit: &PublicCircuit,
        keys: &Keys,
    ) -> Result<SessionId, ClientError> {
        let open = || self.http.open_session(circuit.manifest(), keys.record());
        // A session whose opening was not heard of ends by itself, without a token.
        let info = self.reconnecting(|| self.with_key(keys, &open)).await?;
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
    /// Waits while the server is busy, and asks for an answer that was lost on its way. If it fails, or is
    /// dropped, the text is as it was before.
    ///
    /// # Errors
    /// No token or too many, the network, a refusal, or an answer that makes no sense.
    pub async fn append(&mut self, tokens: &[usize]) -> Result<Step, ClientError> {
        if tokens.is_empty() || tokens.len() > self.remaining() {
            return Err(ClientError::NoRoom {
                tokens: tokens.len(),
                remaining: self.remaining(),
            });
        }
        let text = [&self.tokens, tokens].concat();
        let step = match std::mem::take(&mut self.in_step) {
            true => match self.send(&text, self.tokens.len()).await {
                Err(error) if is_elsewhere(&error) => self.send_anew(&text).await,
                outcome => outcome,
            },
            false => self.send_anew(&text).await,
        }?;
        (self.tokens, self.in_step) = (text, true);
        Ok(step)
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
        self.close_on_server().await
    }

    /// Sends all of a text to another session, as the one there was is of no use.
    async fn send_anew(&mut self, text: &[usize]) -> Result<Step, ClientError> {
        // If it cannot be closed, it ends by itself.
        let _ = self.close_on_server().await;
        self.id = self.client.new_session(&self.circuit, &self.keys).await?;
        self.send(text, 0).await
    }

    /// Sends the tokens of a text from this position on.
    async fn send(&self, text: &[usize], position: usize) -> Result<Step, ClientError> {
        let (secret, observer) = (self.keys.secret(), &self.client.observer);
        let start = Instant::now();
        let request = self.circuit.encrypt_tokens(&text[position..], secret)?;
        let encrypt_ms = milliseconds(start);
        observer.wire(Wire::Sent(&request));
        let start = Instant::now();
        let result = self.deliver(&request, position, text.len()).await?;
        let round_trip_ms = milliseconds(start);
        observer.wire(Wire::Received(&result.output));
        if result.position != Some(text.len()) {
            let reason = "it is of another position";
            return Err(ClientError::nonsense("encrypted output", reason));
        }
        let start = Instant::now();
        Ok(Step {
            logits: self.circuit.decrypt_logits(&result.output, secret)?,
            encrypt_ms,
            server_ms: result.server_ms,
            round_trip_ms,
            decrypt_ms: milliseconds(start),
            luts: result.luts,
            request_bytes: request.len(),
            response_bytes: result.output.len(),
        })
    }

    /// Posts a request that takes the session from one position to another, until there is an answer.
    async fn deliver(
        &self,
        request: &[u8],
        from: usize,
        to: usize,
    ) -> Result<EvaluationResult, ClientError> {
        let mut outcome = self.post(request, from).await.map(Some);
        let (mut patience, mut silences) = (Patience::new(), 0);
        loop {
            match outcome {
                Ok(Some(result)) => return Ok(result),
                Ok(None) => {}
                Err(error) if error.problem() == Some(ProblemKind::SessionBusy) => {}
                Err(error) if error.is_silence() && silences < SILENCES => silences += 1,
                Err(error) => return Err(error),
            }
            let observer = self.client.observer.as_ref();
            if !patience.wait(RECOVERY_WAIT, observer).await {
                let reason = "it is still evaluating".to_owned();
                return Err(ClientError::StillBusy { reason });
            }
            outcome = self.recover(request, from, to, &mut silences).await;
        }
    }

    /// The answer was lost on its way. Perhaps the server has it, or is still working on it (`None`), or
    /// has never heard of the request.
    async fn recover(
        &self,
        request: &[u8],
        from: usize,
        to: usize,
        silences: &mut u32,
    ) -> Result<Option<EvaluationResult>, ClientError> {
        let (http, record) = (&self.client.http, self.keys.record());
        let info = http.session(&self.id, record).await?;
        *silences = 0;
        if info.position == to {
            let limit = self.circuit.response_limit();
            return http.logits(&self.id, record, limit).await.map(Some);
        }
        if info.busy {
            return Ok(None);
        }
        self.post(request, from).await.map(Some)
    }

    async fn post(&self, request: &[u8], from: usize) -> Result<EvaluationResult, ClientError> {
        let client = self.client;
        let path = routes::tokens(&self.id, &self.keys.record().id, from);
        let limit = self.circuit.response_limit();
        let observer = client.observer.as_ref();
        let attempt = || {
            let request = request.to_vec();
            client.http.evaluate(&path, request, limit, observer)
        };
        client.with_key(&self.keys, attempt).await
    }

    async fn close_on_server(&self) -> Result<(), ClientError> {
        let record = self.keys.record();
        self.client.http.close_session(&self.id, record).await
    }
}

/// The server has forgotten the session, or is elsewhere because an answer was no use to us.
fn is_elsewhere(error: &ClientError) -> bool {
    use ProblemKind::{SessionPosition, UnknownSession};
    matches!(error.problem(), Some(UnknownSession | SessionPosition))
}
