//! A server: its parts put together, and its life.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::cache::KeyCache;
use crate::circuits::Circuits;
use crate::config::Config;
use crate::error::OpenError;
use crate::http;
use crate::scheduler::Scheduler;
use crate::store::KeyStore;

/// Circuits, keys and the queue of evaluations.
#[derive(Clone, Debug)]
pub struct Server {
    pub(crate) circuits: Arc<Circuits>,
    pub(crate) keys: Arc<KeyCache>,
    pub(crate) scheduler: Arc<Scheduler>,
}

impl Server {
    /// Loads the circuits and opens the data directory.
    ///
    /// # Errors
    /// No usable circuit, or an unusable data directory.
    pub fn open(config: &Config) -> Result<Self, OpenError> {
        let circuits = Circuits::load(&config.circuits, config.allow_insecure)?;
        let store = KeyStore::open(&config.data_dir).map_err(|source| OpenError::DataDir {
            path: config.data_dir.clone(),
            source,
        })?;
        let keys = Arc::new(KeyCache::new(store, config.key_memory_mb << 20));
        let scheduler = Scheduler::new(Arc::clone(&keys), config.workers, config.queue);
        Ok(Self {
            circuits: Arc::new(circuits),
            keys,
            scheduler: Arc::new(scheduler),
        })
    }

    /// The HTTP routes, for tests in process.
    pub fn router(&self) -> axum::Router {
        http::router(self.clone())
    }

    /// Answers requests until `shutdown` is ready; then finishes those under way.
    ///
    /// # Errors
    /// A listener that fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        axum::serve(listener, self.router())
            .with_graceful_shutdown(shutdown)
            .await
    }

    /// Opens a server and serves it in the background, on the configured address.
    ///
    /// # Errors
    /// As [`Server::open`], or an address that cannot be listened on.
    pub async fn start(config: &Config) -> Result<Running, OpenError> {
        let server = Self::open(config)?;
        let unavailable = |source| OpenError::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server.serve(listener, async {
            // An error means that the handle was dropped, which stops the server too.
            let _ = stopped.await;
        }));
        Ok(Running {
            address,
            stop,
            task,
        })
    }
}

/// A server in the background; stops when dropped or told to.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets requests under way finish and stops.
    ///
    /// # Errors
    /// A listener that failed.
    pub async fn stop(self) -> std::io::Result<()> {
        let _ = self.stop.send(());
        self.task.await.unwrap_or(Ok(()))
    }
}
