//! The server: holds circuits and evaluation keys, evaluates ciphertexts it cannot read.
//!
//! [`Server`] loads the circuits, opens the key store and offers both over HTTP: as a router to be
//! called in process, on a listener, or in the background ([`Server::start`]).
//!
//! | module | what it does |
//! |---|---|
//! | `config` | what an operator decides: flags, variables, file |
//! | `blocking` | work that waits for the disk |
//! | `http` | routes, bodies, headers, problem documents; the only one that knows HTTP |
//! | `tokens` | who may use the server |
//! | `service` | what is done for a request, apart from HTTP |
//! | `circuits` | the circuits on offer |
//! | `owner` | whose request it is, and what belongs to whom |
//! | `store` | what is on disk: evaluation keys, sessions, what was used; its quota |
//! | `keys` | expanded evaluation keys in memory |
//! | `sessions` | what has been evaluated of a text that goes on |
//! | `budget` | what each owner may have evaluated in a day |
//! | `schedule` | who may evaluate when |
//! | `watch` | how far an evaluation is |
//! | `leave` | stopping what nobody waits for |
//! | `metrics` | figures for the operator |
//! | `log` | what the log looks like |
//! | [`inspect`] | what a server has, for people |
//!
//! No secret key can be named here: `clippy.toml` forbids the type.

mod blocking;
mod budget;
mod circuits;
mod config;
mod error;
mod http;
pub mod inspect;
mod keys;
mod leave;
mod log;
mod metrics;
mod owner;
mod schedule;
mod service;
mod sessions;
mod store;
mod tokens;
mod watch;

pub use blocking::runtime;
pub use config::{
    CONNECTIONS, CircuitConfig, Config, DISK_MB, KEY_DAYS, KEY_MEMORY_MB, KEYS_PER_OWNER, QUEUE,
    SESSION_MINUTES, SESSIONS, SHUTDOWN_SECONDS, Settings, Sources, WORKERS,
};
pub use error::{ConfigError, ServerError, StartError, TlsError, TokenError};
pub use http::{Running, Server, Socket};
pub use log::{LogFormat, subscriber};
pub use owner::Owner;
pub use store::Damage;
pub use tokens::{TokenEntry, TokenFile};
