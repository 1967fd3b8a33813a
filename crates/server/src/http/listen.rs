//! Serving the routes on a socket.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::error::StartError;
use crate::http::Server;

/// How long running requests may take to finish when the server is told to stop.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often old sessions, keys and uploads are looked for.
const SWEEP: Duration = Duration::from_secs(60);

impl Server {
    /// Takes the configured address.
    ///
    /// # Errors
    /// An address that cannot be listened on.
    pub async fn listen(config: &Config) -> Result<TcpListener, StartError> {
        let address = config.listen;
        let listener = TcpListener::bind(address).await;
        listener.map_err(|source| StartError::Listen { address, source })
    }

    /// Serves until `shutdown` is ready, then lets running requests finish, for ten seconds at most.
    ///
    /// An evaluation that takes longer keeps its thread to its end, for nobody: to stop in time, the caller
    /// shuts its runtime down without waiting for it.
    ///
    /// # Errors
    /// A listener that fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let (stopping, stopped) = oneshot::channel();
        let shutdown = async move {
            shutdown.await;
            let _ = stopping.send(());
        };
        let serving = axum::serve(listener, self.router()).with_graceful_shutdown(shutdown);
        tokio::select! {
            done = serving.into_future() => done,
            never = self.service.sweep_every(SWEEP) => match never {},
            () = deadline(stopped) => {
                tracing::warn!("some requests did not finish in time");
                Ok(())
            }
        }
    }

    /// Opens a server and serves it in the background, on the configured address.
    ///
    /// # Errors
    /// As [`Server::open`] and [`Server::listen`].
    pub async fn start(config: &Config) -> Result<Running, StartError> {
        let server = Self::open(config)?;
        let listener = Self::listen(config).await?;
        let address = listener.local_addr();
        let address = address.map_err(|source| StartError::Listen {
            address: config.listen,
            source,
        })?;
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            // An error means that `Running` was dropped: stop as well.
            let _ = stopped.await;
        };
        let task = tokio::spawn(server.serve(listener, shutdown));
        Ok(Running {
            address,
            stop,
            task,
        })
    }
}

/// A server in the background; stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
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
        format!("http://{}", self.address)
    }

    /// Stops it and waits for running requests.
    ///
    /// # Errors
    /// A listener that had failed.
    pub async fn stop(self) -> io::Result<()> {
        let _ = self.stop.send(());
        self.task.await.map_err(io::Error::other)?
    }
}

async fn deadline(stopped: oneshot::Receiver<()>) {
    let _ = stopped.await;
    tokio::time::sleep(FAREWELL).await;
}
