//! `cipherformer-client`: has texts classified or continued that the server never sees.

mod cli;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run(cli::Arguments::parse()).await
}
