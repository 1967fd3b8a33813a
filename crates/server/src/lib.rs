//! The server: holds circuits and evaluation keys, evaluates ciphertexts it cannot read.
//!
//! [`Server`] loads the circuits, opens the key store and offers both over HTTP: as a router to be
//! called in process, on a listener, or in the background ([`Server::start`]).
//!
//! | module | what it does |
//! |---|---|
//! | `http` | routes, bodies, headers, problem documents; the only one that knows HTTP |
//! | `service` | what is done for a request, apart from HTTP |
//! | `circuits` | the circuits on offer |
//! | `store` | evaluation keys on disk |
//! | `keys` | expanded evaluation keys in memory |
//! | `sessions` | what has been evaluated of a text that goes on |
//! | `schedule` | who may evaluate when |
//! | `watch` | how far an evaluation is |
//!
//! No secret key can be named here: `clippy.toml` forbids the type.

mod circuits;
mod config;
mod error;
mod http;
mod keys;
mod schedule;
mod service;
mod sessions;
mod store;
mod watch;

pub use config::{Config, KEY_MEMORY_MB, QUEUE, SESSION_MINUTES, SESSIONS, WORKERS};
pub use error::{ServerError, StartError};
pub use http::{Running, Server};
