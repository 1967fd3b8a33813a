//! Connections, in the clear or under TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use cipherformer_protocol::{PROBLEM_JSON, Problem, ProblemKind};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::config::Config;
use crate::error::StartError;
use crate::http::tls::settings;

/// A client that has not agreed on keys after so long has gone.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes under way; whoever comes then waits until one of them ends.
const MOST_HANDSHAKES: usize = 512;
/// The first byte of a TLS connection: a record that holds a handshake.
const TLS_RECORD: u8 = 22;
/// How much of a request in the clear is taken, to be ignored.
const MOST_IGNORED: u64 = 1 << 20;

type Connection = Either<TcpStream, TlsStream<TcpStream>>;

/// A socket that listens, and what is needed for TLS, if that is spoken on it.
#[derive(Debug)]
pub struct Socket {
    tcp: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

/// Handshakes go on beside each other, and beside the next connection: a slow client keeps nobody out.
struct Tls {
    acceptor: TlsAcceptor,
    patience: Duration,
    handshakes: JoinSet<Option<(Connection, SocketAddr)>>,
}

impl Socket {
    /// Listens where the configuration says.
    pub(super) async fn open(config: &Config) -> Result<Self, StartError> {
        let tls = settings(config)?.map(|settings| Tls::new(settings, HANDSHAKE));
        let fault = |source| StartError::Listen {
            address: config.listen,
            source,
        };
        let tcp = TcpListener::bind(config.listen).await.map_err(fault)?;
        let address = tcp.local_addr().map_err(fault)?;
        Ok(Self { tcp, address, tls })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a URL without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = match &self.tls {
            Some(_) => "https",
            None => "http",
        };
        format!("{scheme}://{}", self.address)
    }
}

impl Listener for Socket {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let Some(tls) = &mut self.tls else {
            let (stream, peer) = accept(&mut self.tcp).await;
            return (Either::Left(stream), peer);
        };
        loop {
            let room = tls.handshakes.len() < MOST_HANDSHAKES;
            tokio::select! {
                (stream, peer) = accept(&mut self.tcp), if room => tls.begin(stream, peer),
                Some(shaken) = tls.handshakes.join_next() => {
                    if let Ok(Some(connection)) = shaken {
                        return connection;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// The next connection. Events and answers leave at once: they do not wait until what went before them is acknowledged.
async fn accept(tcp: &mut TcpListener) -> (TcpStream, SocketAddr) {
    let (stream, peer) = Listener::accept(tcp).await;
    // At worst they come later.
    let _ = stream.set_nodelay(true);
    (stream, peer)
}

impl Tls {
    fn new(settings: ServerConfig, patience: Duration) -> Self {
        Self {
            acceptor: TlsAcceptor::from(Arc::new(settings)),
            patience,
            handshakes: JoinSet::new(),
        }
    }

    fn begin(&mut self, stream: TcpStream, peer: SocketAddr) {
        let (acceptor, patience) = (self.acceptor.clone(), self.patience);
        self.handshakes.spawn(async move {
            let shaken = timeout(patience, shake(acceptor, stream)).await;
            // Whoever knocks without TLS, or too slowly, is no news.
            let shaken = shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            let shaken = shaken.inspect_err(|error| tracing::debug!(%error, "no TLS connection"));
            Some((Either::Right(shaken.ok()?), peer))
        });
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// Agrees on keys with a client that speaks TLS, and tells one that does not.
async fn shake(acceptor: TlsAcceptor, mut stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    let read = stream.peek(&mut first).await?;
    if read == 1 && first[0].is_ascii_uppercase() {
        stream.write_all(only_tls().as_bytes()).await?;
        stream.shutdown().await?;
        // Closing with something unread would break the connection before the answer is read.
        tokio::io::copy(&mut stream.take(MOST_IGNORED), &mut tokio::io::sink()).await?;
        return Err(io::Error::other("the client spoke HTTP without TLS"));
    }
    if read == 0 || first[0] != TLS_RECORD {
        return Err(io::ErrorKind::InvalidData.into());
    }
    acceptor.accept(stream).await
}

/// The answer to a request in the clear. It need not be read to be understood: every HTTP request gets it.
fn only_tls() -> String {
    let detail = "this address speaks TLS only; write it as https://HOST:PORT";
    let problem = Problem::new(ProblemKind::MalformedRequest, detail);
    let body = serde_json::to_string(&problem).expect("plain data");
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n\
         {body}",
        body.len()
    )
}

#[cfg(test)]
mod tests;
