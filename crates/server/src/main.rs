//! `cipherformer-server`: offers circuits to clients whose texts it cannot read.

mod cli;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use cipherformer_server::{Config, ConfigError, Server, Settings, Sources, runtime, subscriber};
use clap::{CommandFactory, FromArgMatches};
use cli::{Arguments, Command};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let sources = Sources::new(Arguments::command());
    let given = sources.command().clone().get_matches_from(&arguments);
    let given = Arguments::from_arg_matches(&given).unwrap_or_else(|error| error.exit());
    let outcome = match given.command {
        Some(Command::Tokens(command)) => cli::tokens(command),
        Some(Command::Inspect(inspect)) => cli::inspect(&inspect),
        None => match sources.read(&arguments) {
            Err(ConfigError::Usage(error)) => error.exit(),
            Err(error) => Err(error.into()),
            Ok(settings) => serve(&settings),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(settings: &Settings) -> anyhow::Result<()> {
    // Standard output is for the address alone, so that programs can wait for it.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = io::stderr().is_terminal();
    subscriber(settings.config.log_format, filter, colours, io::stderr).init();
    for warning in settings.warnings.iter().chain(&settings.config.warnings()) {
        tracing::warn!("{warning}");
    }
    start(&settings.config)
}

fn start(config: &Config) -> anyhow::Result<()> {
    let runtime = runtime(config).context("cannot start the runtime")?;
    let outcome = runtime.block_on(run(config));
    // Evaluations that are still under way have had their time; dropping would wait for their end.
    runtime.shutdown_background();
    outcome
}

async fn run(config: &Config) -> anyhow::Result<()> {
    let once = signals(1).context("cannot listen for signals")?;
    let twice = signals(2).context("cannot listen for signals")?;
    let server = Server::open(config)?;
    let socket = Server::listen(config).await?;
    writeln!(io::stdout(), "listening on {}", socket.url())?;
    io::stdout().flush()?;
    tokio::select! {
        done = server.serve(socket, once) => done?,
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
