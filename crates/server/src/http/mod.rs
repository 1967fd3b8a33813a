//! The HTTP interface: routes, and a server that listens for them.

mod answer;
mod body;
mod circuits;
mod evaluations;
mod guard;
mod keys;
mod listen;
mod owner;
mod problem;
mod sessions;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::extract::OriginalUri;
use axum::http::Method;
use axum::middleware;
use axum::routing::{get, head, post};
use cipherformer_protocol::routes;

use crate::config::Config;
use crate::error::{ServerError, StartError};
use crate::service::Service;
use crate::store::{Damage, Time};
pub use listen::Running;

/// A server with its circuits loaded and its key store open.
#[derive(Clone, Debug)]
pub struct Server {
    service: Arc<Service>,
}

impl Server {
    /// Loads the circuits and opens the data directory.
    ///
    /// # Errors
    /// No usable circuit, or no usable data directory.
    pub fn open(config: &Config) -> Result<Self, StartError> {
        let service = Arc::new(Service::new(config)?);
        Ok(Self { service })
    }

    /// How often something stored was found damaged since the server was opened.
    pub fn damage(&self) -> Damage {
        self.service.store.damage()
    }

    /// Removes what is old: expired sessions, keys and uploads that nobody came back to. A server that listens does so
    /// every minute. Blocks.
    ///
    /// # Errors
    /// A data directory that cannot be written.
    pub fn sweep(&self) -> Result<(), ServerError> {
        self.service.sweep(Time::now())
    }

    /// All routes, to be called in process or served.
    pub fn router(&self) -> Router {
        let router = Router::new()
            .route(routes::CIRCUITS, get(circuits::list))
            .route(routes::CIRCUIT, get(circuits::manifest))
            .route(routes::VOCABULARY, get(circuits::vocabulary))
            .route(
                routes::KEY,
                get(keys::show).put(keys::register).delete(keys::delete),
            )
            .route(routes::UPLOAD, head(uploads::offset).patch(uploads::resume))
            .route(routes::EVALUATIONS, post(evaluations::evaluate))
            .route(routes::SESSIONS, post(sessions::open))
            .route(routes::SESSION, get(sessions::show).delete(sessions::close))
            .route(routes::TOKENS, post(sessions::append))
            .route(routes::LOGITS, get(sessions::logits))
            .fallback(unknown_route)
            .method_not_allowed_fallback(unknown_method)
            .with_state(Arc::clone(&self.service));
        router.layer(middleware::from_fn(guard::guard))
    }
}

async fn unknown_route(OriginalUri(uri): OriginalUri) -> ServerError {
    ServerError::UnknownRoute {
        path: shorten(uri.path()),
    }
}

async fn unknown_method(method: Method, OriginalUri(uri): OriginalUri) -> ServerError {
    ServerError::MethodNotAllowed {
        method: shorten(method.as_str()),
        path: shorten(uri.path()),
    }
}

/// What a client sent, short enough to be sent back.
fn shorten(text: &str) -> String {
    text.chars().take(120).collect()
}
