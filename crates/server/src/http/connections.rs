//! Connections: so many at once, and none for clients that do not say what they want.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, watch};

/// A client takes no longer for the head of its request, counted from the connection's beginning or the last
/// answer: longer than clients keep connections they do not use.
const HEAD: Duration = Duration::from_secs(100);

/// The connections of one server.
pub(super) struct Connections {
    limit: Arc<Semaphore>,
    builder: http1::Builder,
    open: GracefulShutdown,
    /// Dropped with this, it ends them all.
    alive: watch::Sender<()>,
}

impl Connections {
    /// None yet, and never more than so many.
    pub(super) fn new(limit: usize) -> Self {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
        Self {
            limit: Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS))),
            builder,
            open: GracefulShutdown::new(),
            alive: watch::Sender::default(),
        }
    }

    /// Accepts connections, as many at once as may be, and serves them. Dropped, it accepts no more.
    pub(super) async fn accept<L: Listener>(&self, mut listener: L, router: Router) -> Infallible {
        loop {
            let permit = Arc::clone(&self.limit).acquire_owned().await;
            let permit = permit.expect("the semaphore is never closed");
            let (stream, _) = listener.accept().await;
            let service = TowerToHyperService::new(router.clone());
            let connection = self.builder.serve_connection(TokioIo::new(stream), service);
            let connection = self.open.watch(connection);
            let mut alive = self.alive.subscribe();
            tokio::spawn(async move {
                let _permit = permit;
                tokio::select! {
                    // How a connection ends is its client's business.
                    ended = connection => if let Err(error) = ended {
                        tracing::debug!(%error, "a connection failed");
                    },
                    _ = alive.changed() => {}
                }
            });
        }
    }

    /// Ready when every connection has had the answers it waits for. Dropped before, it ends them without.
    pub(super) async fn finish(self) {
        let _alive = self.alive;
        self.open.shutdown().await;
    }
}
