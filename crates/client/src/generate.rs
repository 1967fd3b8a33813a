//! Letting a circuit continue a text: the server evaluates, the client draws.

use std::pin::pin;

use cipherformer_protocol::ProblemKind;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;

use crate::client::Client;
use crate::error::ClientError;
use crate::observer::Activity;
use crate::sampling::Sampling;
use crate::session::{Session, Step};

/// A text that was generated, and what it took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Generation {
    /// The text, its given beginning included.
    pub text: String,
    /// How many tokens the server evaluated, the start mark included.
    pub tokens: usize,
    /// What the random numbers began with: with it the text can be had again, as [`Client::generate`] says.
    pub seed: u64,
    /// Seconds of evaluation on the server for each token, as it says.
    pub seconds_per_token: f64,
    /// Size of all encrypted tokens together.
    pub request_bytes: usize,
    /// Size of all encrypted logits together.
    pub response_bytes: usize,
}

impl Client {
    /// Continues a text letter by letter until the circuit ends it or has no room for more; tells
    /// `letter` each one as it comes. Makes and registers keys when missing.
    ///
    /// The same seed gives the same text under the same keys, but for draws so close that the noise of
    /// the ciphertexts decides them. Gives up as soon as `cancelled` is there; [`std::future::pending`] never is.
    ///
    /// # Errors
    /// Whatever can go wrong; see [`ClientError`]. The session is closed in any case.
    pub async fn generate(
        &self,
        circuit: &str,
        prefix: &str,
        sampling: &Sampling,
        seed: u64,
        mut letter: impl FnMut(&str),
        cancelled: impl Future<Output = ()>,
    ) -> Result<Generation, ClientError> {
        let watch = |_: &Step, drawn: Option<&str>| drawn.into_iter().for_each(&mut letter);
        self.generate_watched(circuit, prefix, sampling, seed, watch, cancelled)
            .await
    }

    /// As [`Client::generate`]; tells `watch` each step and the letter drawn, or none at the text's end.
    pub(crate) async fn generate_watched(
        &self,
        circuit: &str,
        prefix: &str,
        sampling: &Sampling,
        seed: u64,
        mut watch: impl FnMut(&Step, Option<&str>),
        cancelled: impl Future<Output = ()>,
    ) -> Result<Generation, ClientError> {
        let mut cancelled = pin!(cancelled);
        let (mut session, mut tokens) = unless(&mut cancelled, self.begin(circuit, prefix)).await?;
        let mut all = Generation::new(prefix, seed);
        let drawing = draw(&mut session, &mut tokens, sampling, &mut all, &mut watch);
        let done = unless(&mut cancelled, drawing).await;
        // A session that cannot be closed ends by itself.
        let _ = session.close().await;
        self.observer.on(Activity::Idle);
        done.map(|()| all)
    }

    /// A new session, and the tokens it begins with.
    async fn begin(
        &self,
        circuit: &str,
        prefix: &str,
    ) -> Result<(Session<'_>, Vec<usize>), ClientError> {
        match self.begin_once(circuit, prefix).await {
            Err(error) if error.problem() == Some(ProblemKind::StaleCircuit) => {
                self.forget_circuit(circuit).await;
                self.begin_once(circuit, prefix).await
            }
            begun => begun,
        }
    }

    /// The tokens are checked before keys are made for nothing.
    async fn begin_once(
        &self,
        circuit: &str,
        prefix: &str,
    ) -> Result<(Session<'_>, Vec<usize>), ClientError> {
        let circuit = self.circuit(circuit).await?;
        let tokens = circuit.prompt(prefix)?;
        let keys = self.keys(circuit.parameters()).await?;
        Ok((self.open_session(&circuit, &keys).await?, tokens))
    }
}

/// What comes of the work, unless it is cancelled first.
pub(crate) async fn unless<T>(
    cancelled: &mut (impl Future<Output = ()> + Unpin),
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::select! {
        done = work => done,
        () = cancelled => Err(ClientError::Cancelled),
    }
}

/// Letters until the end mark is drawn, or the context is full.
async fn draw(
    session: &mut Session<'_>,
    tokens: &mut Vec<usize>,
    sampling: &Sampling,
    all: &mut Generation,
    watch: &mut impl FnMut(&Step, Option<&str>),
) -> Result<(), ClientError> {
    let mut random = StdRng::seed_from_u64(all.seed);
    loop {
        let step = session.append(tokens).await?;
        all.add(&step, tokens.len());
        let next = sampling.sample(&step.logits, &mut random);
        let letter = session.circuit().letter(next);
        watch(&step, letter);
        let Some(text) = letter else {
            return Ok(());
        };
        all.text.push_str(text);
        if session.remaining() == 0 {
            return Ok(());
        }
        *tokens = vec![next];
    }
}

impl Generation {
    fn new(prefix: &str, seed: u64) -> Self {
        Self {
            text: prefix.to_owned(),
            tokens: 0,
            seed,
            seconds_per_token: 0.0,
            request_bytes: 0,
            response_bytes: 0,
        }
    }

    fn add(&mut self, step: &Step, tokens: usize) {
        let seconds = self.seconds_per_token * self.tokens as f64 + step.server_ms / 1000.0;
        self.tokens += tokens;
        self.seconds_per_token = seconds / self.tokens as f64;
        self.request_bytes += step.request_bytes;
        self.response_bytes += step.response_bytes;
    }
}
