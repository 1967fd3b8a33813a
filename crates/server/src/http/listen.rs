//! Serving the routes on a socket, until told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::Listener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::config::Config;
use crate::error::StartError;
use crate::http::Server;
use crate::http::connections::Connections;
use crate::http::socket::Socket;

/// How often old sessions, keys and uploads are looked for.
const SWEEP: Duration = Duration::from_secs(60);

impl Server {
    /// Takes the configured address, under TLS if a certificate is configured.
    ///
    /// # Errors
    /// An address that cannot be listened on, or a certificate or key that cannot be used.
    pub async fn listen(config: &Config) -> Result<Socket, StartError> {
        Socket::open(config).await
    }

    /// Serves until `shutdown` is ready, then stops in order, within the configured time.
    ///
    /// First no evaluation is begun any more, and those that wait are refused, while those under way go on and
    /// everybody who asks is told. When they are done no connection is accepted any more, and those there are end
    /// with their answers. When the time is over they end without. Tokens of a session may still be evaluated
    /// then, for nobody: to stop in time, the caller shuts its runtime down without waiting for them.
    ///
    /// # Errors
    /// None yet: what fails when a connection is accepted is tried again.
    pub async fn serve<L: Listener>(
        self,
        listener: L,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let connections = Connections::new(self.connections);
        let until = tokio::select! {
            never = connections.accept(listener, self.router()) => match never {},
            never = self.service.sweep_every(SWEEP) => match never {},
            until = self.wind_down(shutdown) => until,
        };
        if timeout_at(until, connections.finish()).await.is_err() {
            tracing::warn!("some requests did not finish in time");
        }
        Ok(())
    }

    /// Ready when no evaluation is under way any more, or has no time left; answers with when all must be over.
    async fn wind_down(&self, shutdown: impl Future<Output = ()>) -> Instant {
        shutdown.await;
        let scheduler = &self.service.scheduler;
        scheduler.close();
        let running = scheduler.load().running;
        tracing::info!(running, "told to stop; nothing new is begun");
        let until = Instant::now() + self.shutdown;
        // If it takes longer, finishing the connections has no time left, and says so.
        let _ = timeout_at(until, scheduler.idle()).await;
        until
    }

    /// Opens a server and serves it in the background, on the configured address.
    ///
    /// # Errors
    /// As [`Server::open`] and [`Server::listen`].
    pub async fn start(config: &Config) -> Result<Running, StartError> {
        let server = Self::open(config)?;
        let socket = Self::listen(config).await?;
        let (address, url) = (socket.address(), socket.url());
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            // An error means that `Running` was dropped: stop as well.
            let _ = stopped.await;
        };
        let task = tokio::spawn(server.serve(socket, shutdown));
        Ok(Running {
            address,
            url,
            stop,
            task,
        })
    }
}

/// A server in the background; stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a URL without a slash at the end.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Stops it and waits for evaluations under way.
    ///
    /// # Errors
    /// A socket that had failed.
    pub async fn stop(self) -> io::Result<()> {
        let _ = self.stop.send(());
        self.task.await.map_err(io::Error::other)?
    }
}
