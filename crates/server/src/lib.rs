//! The Cipherformer server: evaluates circuits on ciphertexts that it cannot read.
//!
//! [`Server::open`] loads circuits and opens the key store, [`Server::serve`] answers HTTP requests (the
//! interface is documented in the `protocol` crate). What it holds opens no ciphertext: circuits,
//! evaluation keys, nothing else. This crate cannot even name a secret key (see its `clippy.toml`).
//!
//! - `circuits`: the folder of circuits; damaged ones are reported, the others serve.
//! - `store`: evaluation keys on disk, durable, named by their content.
//! - `cache`: evaluation keys expanded in memory, least recently used dropped first.
//! - `scheduler`: how many evaluations run and wait.
//! - `http`: routes, limits, problem documents. The only module that speaks HTTP.

mod cache;
mod circuits;
mod config;
mod error;
mod http;
mod scheduler;
mod server;
mod store;

pub use config::Config;
pub use error::{OpenError, ServerError};
pub use server::{Running, Server};
