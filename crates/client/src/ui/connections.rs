//! Connections: so many at once, and none for programs that do not say what they want. Other users of this computer can connect
//! too; they get no further, and must not use up what the program can open.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A browser opens up to six; whoever comes when all are taken waits.
const MOST: usize = 64;
/// The longest wait for the head of a request, counted from the connection's beginning or the last answer.
const HEAD: Duration = Duration::from_secs(30);

/// Accepts connections and serves them. Dropped, it accepts no more.
pub(super) async fn accept(mut listener: TcpListener, router: Router) -> Infallible {
    let room = Arc::new(Semaphore::new(MOST));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    loop {
        let permit = Arc::clone(&room).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let (stream, _) = Listener::accept(&mut listener).await;
        // Events are short and must not wait for each other; a socket that cannot be told so is slower.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let _permit = permit;
            let _ = connection.await; // how it ends is the browser's business
        });
    }
}
