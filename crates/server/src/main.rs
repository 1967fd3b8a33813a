//! `cipherformer-server`: offers circuits to clients whose texts it cannot read.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use cipherformer_server::{Config, Server, subscriber};
use clap::Parser;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// Evaluates transformers on encrypted texts, without ever seeing the texts.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(flatten)]
    config: Config,
}

/// Threads for work that blocks, beside those that evaluate: one verifies, the others write uploads. More
/// would each keep their own pool of freed memory, and keys are large.
const BLOCKING_THREADS: usize = 3;

fn main() -> ExitCode {
    let options = Options::parse();
    // Standard output is for the address alone, so that programs can wait for it.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = io::stderr().is_terminal();
    subscriber(options.config.log_format, filter, colours, io::stderr).init();
    match start(&options.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(config.workers.saturating_add(BLOCKING_THREADS))
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(run(config));
    // Evaluations that are still under way have had their time; dropping would wait for their end.
    runtime.shutdown_background();
    outcome
}

async fn run(config: &Config) -> anyhow::Result<()> {
    let once = signals(1).context("cannot listen for signals")?;
    let twice = signals(2).context("cannot listen for signals")?;
    let server = Server::open(config)?;
    let listener = Server::listen(config).await?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "listening on http://{address}")?;
    io::stdout().flush()?;
    tokio::select! {
        done = server.serve(listener, once) => done?,
        () = twice => tracing::warn!("told to stop a second time, so at once"),
    }
    tracing::info!("stopped");
    Ok(())
}

/// Ready when the process was asked to stop so many times: by ctrl-c, or by SIGTERM where there is one.
#[cfg(unix)]
fn signals(times: usize) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        for _ in 0..times {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
    })
}

/// Ready when the process was asked to stop so many times, by ctrl-c.
#[cfg(not(unix))]
fn signals(times: usize) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async move {
        for _ in 0..times {
            let _ = tokio::signal::ctrl_c().await;
        }
    })
}
