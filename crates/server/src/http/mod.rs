//! The HTTP interface: routes, and a server that listens for them.

mod answer;
mod authorize;
mod body;
mod circuits;
mod connections;
mod evaluations;
mod guard;
mod health;
mod keys;
mod leftover;
mod listen;
mod openapi;
mod owner;
mod problem;
mod request_id;
mod sessions;
mod socket;
mod tls;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::OriginalUri;
use axum::http::Method;
use axum::{Extension, Router, middleware};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::Config;
use crate::error::{ServerError, StartError};
use crate::service::Service;
use crate::store::{Damage, Time};
use crate::tokens::LiveTokens;
pub use listen::Running;
pub use socket::Socket;

/// A server with its circuits loaded and its key store open.
#[derive(Clone, Debug)]
pub struct Server {
    service: Arc<Service>,
    /// Those that requests must bring, if any.
    tokens: Option<Arc<LiveTokens>>,
    connections: usize,
    shutdown: Duration,
}

impl Server {
    /// Loads the circuits, reads the tokens and opens the data directory.
    ///
    /// # Errors
    /// No usable circuit, no usable data directory, or a file of tokens that cannot be used.
    pub fn open(config: &Config) -> Result<Self, StartError> {
        let tokens = config.tokens.as_ref().map(LiveTokens::open).transpose()?;
        Ok(Self {
            service: Arc::new(Service::new(config)?),
            tokens: tokens.map(Arc::new),
            connections: config.connections,
            shutdown: Duration::from_secs(config.shutdown_seconds),
        })
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
        let document = openapi::Document::openapi();
        let (router, document) = OpenApiRouter::with_openapi(document)
            .routes(routes!(circuits::list))
            .routes(routes!(circuits::manifest))
            .routes(routes!(circuits::vocabulary))
            .routes(routes!(keys::show, keys::register, keys::delete))
            .routes(routes!(uploads::offset, uploads::resume))
            .routes(routes!(evaluations::evaluate))
            .routes(routes!(sessions::open))
            .routes(routes!(sessions::show, sessions::close))
            .routes(routes!(sessions::append))
            .routes(routes!(sessions::logits))
            .routes(routes!(health::health))
            .routes(routes!(health::ready))
            .routes(routes!(health::metrics))
            .routes(routes!(openapi::show))
            .split_for_parts();
        let document = openapi::Text::new(document, &self.service);
        let (tokens, metrics) = (self.tokens.clone(), Arc::clone(&self.service.metrics));
        router
            .fallback(unknown_route)
            .method_not_allowed_fallback(unknown_method)
            .with_state(Arc::clone(&self.service))
            .layer(Extension(document))
            .layer(middleware::from_fn_with_state(tokens, authorize::authorize))
            .layer(middleware::from_fn(leftover::forget))
            .layer(middleware::from_fn_with_state(metrics, guard::guard))
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
