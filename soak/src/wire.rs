//! Requests by hand, and clients that make them by themselves.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cipherformer_circuit::{Circuit, ParameterSet};
use cipherformer_client::{Client, KeyHome, PublicCircuit};
use cipherformer_fhe::{SecretKey, SeededEvaluationKey};
use cipherformer_protocol::{KeyId, OCTETS, headers, routes};
use futures_util::stream;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Body, RequestBuilder, Response, StatusCode};

use crate::figures::Figures;

/// Uploads go out in pieces of this size.
const PIECE: usize = 128 << 10;
/// Between two attempts at a busy server.
const BUSY_WAIT: Duration = Duration::from_millis(100);
/// The longest silence.
const SILENCE: Duration = Duration::from_secs(300);

/// A client of the library, with a home of its own.
pub(crate) async fn client(url: &str, home: &Path) -> Result<Client> {
    let client = Client::connect(url, KeyHome::new(home), Arc::new(())).await;
    client.context("the client library cannot connect")
}

/// What a client may know of a circuit.
pub(crate) fn public(circuit: &Circuit) -> Result<PublicCircuit> {
    let manifest = circuit.manifest();
    let vocabulary = circuit.vocabulary().to_text();
    Ok(PublicCircuit::new(
        &manifest.name,
        manifest.clone(),
        &vocabulary,
    )?)
}

/// A key pair that no library looks after.
pub(crate) struct Pair {
    pub(crate) secret: Arc<SecretKey>,
    pub(crate) id: KeyId,
    pub(crate) evaluation: Vec<u8>,
}

impl Pair {
    /// Another evaluation key of a secret key: with other masks and noise, so that no server can tell.
    pub(crate) fn of(secret: &Arc<SecretKey>) -> Self {
        let evaluation = SeededEvaluationKey::generate(secret, |_| ()).to_bytes();
        Self {
            secret: Arc::clone(secret),
            id: KeyId::of(&evaluation),
            evaluation,
        }
    }

    /// The first of a fresh secret key.
    pub(crate) fn fresh(parameters: &'static ParameterSet) -> Self {
        Self::of(&Arc::new(SecretKey::generate(parameters)))
    }

    /// Its parameter set's name.
    pub(crate) fn set(&self) -> &'static str {
        self.secret.parameters().name
    }
}

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) position: Option<usize>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    async fn read(response: Response) -> reqwest::Result<Self> {
        let position = response.headers().get(headers::POSITION);
        Ok(Self {
            status: response.status(),
            position: position.and_then(|value| value.to_str().ok()?.parse().ok()),
            body: response.bytes().await?.to_vec(),
        })
    }

    /// What it says, for people.
    pub(crate) fn text(&self) -> String {
        let body: String = String::from_utf8_lossy(&self.body)
            .chars()
            .take(300)
            .collect();
        format!("{} {body}", self.status)
    }
}

/// A connection to a server.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
}

impl Wire {
    /// To the server at this address, which is this computer's.
    pub(crate) fn new(url: &str) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().read_timeout(SILENCE);
        Ok(Self {
            base: url.to_owned(),
            http: http.build()?,
        })
    }

    /// What is at this path.
    pub(crate) async fn get(&self, path: &str) -> reqwest::Result<Answer> {
        self.send(self.http.get(self.url(path))).await
    }

    /// Removes what is at this path.
    pub(crate) async fn delete(&self, path: &str) -> reqwest::Result<Answer> {
        self.send(self.http.delete(self.url(path))).await
    }

    /// Posts a body, and again while the server is busy.
    pub(crate) async fn post(&self, path: &str, body: &[u8]) -> reqwest::Result<Answer> {
        loop {
            let request = self.http.post(self.url(path)).header(CONTENT_TYPE, OCTETS);
            let answer = self.send(request.body(body.to_vec())).await?;
            if answer.status != StatusCode::TOO_MANY_REQUESTS {
                return Ok(answer);
            }
            tokio::time::sleep(BUSY_WAIT).await;
        }
    }

    /// Uploads a key in pieces, with a pause between any two.
    pub(crate) async fn put(&self, pair: &Pair, pause: Duration) -> reqwest::Result<Answer> {
        let path = routes::key_upload(&pair.id, pair.set());
        let pieces: Vec<Vec<u8>> = pair.evaluation.chunks(PIECE).map(<[u8]>::to_vec).collect();
        let pieces = stream::unfold(pieces.into_iter(), move |mut pieces| async move {
            let piece = pieces.next()?;
            tokio::time::sleep(pause).await;
            Some((Ok::<_, std::io::Error>(piece), pieces))
        });
        let request = self.http.put(self.url(&path)).header(CONTENT_TYPE, OCTETS);
        self.send(request.body(Body::wrap_stream(pieces))).await
    }

    /// The same of a key that must be taken.
    pub(crate) async fn register(&self, pair: &Pair) -> Result<()> {
        let answer = self.put(pair, Duration::ZERO).await?;
        ensure!(
            answer.status.is_success(),
            "a key is refused: {}",
            answer.text()
        );
        Ok(())
    }

    /// The server's figures.
    pub(crate) async fn figures(&self) -> Result<Figures> {
        let answer = self.get(routes::METRICS).await?;
        ensure!(answer.status.is_success(), "no figures: {}", answer.text());
        Ok(Figures(String::from_utf8(answer.body)?))
    }

    async fn send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        Answer::read(request.send().await?).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}
