//! The command line, apart from what configures the server.

mod inspect;
mod tokens;

use clap::{Parser, Subcommand};

pub(crate) use inspect::run as inspect;
pub(crate) use tokens::run as tokens;

/// Evaluates transformers on encrypted texts, without ever seeing the texts.
#[derive(Parser)]
#[command(
    name = "cipherformer-server",
    version,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What else it can do but serve.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add, list or revoke the tokens that clients must bring
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// Show all that the server has, while it runs, and that none of it opens a ciphertext; changes nothing
    Inspect(cipherformer_server::inspect::Inspect),
}
