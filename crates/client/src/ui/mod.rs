//! A page for the browser of this computer: what the command line does, with every step to be seen.
//!
//! It is served on the loopback interface, under an address that nobody can guess (`guard.rs`). The page gets texts, rounded
//! scores and pictures of ciphertexts; keys stay in this process.

mod assets;
mod connections;
mod event;
mod guard;
mod overview;
mod run;
mod watch;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch as channel};

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::keys::KeyHome;

/// No request has a longer body.
const BODY_LIMIT: usize = 256 << 10;
/// How long a run may take to end its session when the page is closed down, unless another time is set.
const FAREWELL: Duration = Duration::from_secs(2);

/// A page that has texts classified and continued by one server; see `cipherformer-client ui`.
pub struct Ui {
    listener: TcpListener,
    address: String,
    page: Arc<Page>,
    farewell: Duration,
}

/// What all requests of the page share.
struct Page {
    client: Client,
    /// What every path begins with: 128 random bits, hexadecimal.
    token: String,
    /// What every request must name as its host.
    host: String,
    /// One run at a time: people look at one, and keys are asked for once.
    turn: Arc<Semaphore>,
    /// Whether runs are to end.
    stopping: channel::Sender<bool>,
}

impl Ui {
    /// Listens at a port of the loopback interface, 0 for any that is free. The server need not be there yet.
    ///
    /// # Errors
    /// A port that is taken, or an address, CA or token that can never be used.
    pub async fn bind(server: &Endpoint, home: KeyHome, port: u16) -> Result<Self, ClientError> {
        // Each run brings an observer of its own.
        let client = Client::new(server, home, Arc::new(()))?;
        let fault = |source| ClientError::Page { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.map_err(fault)?;
        let host = listener.local_addr().map_err(fault)?.to_string();
        let token = format!("{:032x}", rand::random::<u128>());
        Ok(Self {
            listener,
            address: format!("http://{host}/{token}/"),
            page: Arc::new(Page {
                client,
                token,
                host,
                turn: Arc::new(Semaphore::new(1)),
                stopping: channel::Sender::new(false),
            }),
            farewell: FAREWELL,
        })
    }

    /// The page's address with its token. Who knows it can use the keys of this home through the page.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sets how long a run may take to end its session when the page is closed down; two seconds unless it is set.
    pub fn farewell(mut self, farewell: Duration) -> Self {
        self.farewell = farewell;
        self
    }

    /// Serves the page until this is there; then ends what runs.
    pub async fn serve(self, until: impl Future<Output = ()>) {
        let page = Arc::clone(&self.page);
        tokio::select! {
            never = connections::accept(self.listener, router(self.page)) => match never {},
            () = until => {}
        }
        page.stopping.send_replace(true);
        // Whoever does not end by then loses nothing: its session ends by itself.
        let _ = tokio::time::timeout(self.farewell, page.turn.acquire()).await;
    }
}

impl Page {
    /// Ends when runs are to end.
    async fn stopping(&self) {
        // It cannot fail: the sender is here.
        let _ = self.stopping.subscribe().wait_for(|stop| *stop).await;
    }
}

fn router(page: Arc<Page>) -> Router {
    let mut router = Router::new()
        .route("/{token}/state", get(overview::show))
        .route("/{token}/run", post(run::start));
    for asset in &assets::ALL {
        let path = format!("/{{token}}/{}", asset.name);
        router = router.route(&path, get(async move || asset.response()));
    }
    router
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(page.clone(), guard::guard))
        .with_state(page)
}
