//! The command line.

mod arguments;
mod classify;
mod forget;
mod generate;
mod inspect;
mod keys;
mod ui;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use cipherformer_client::{BearerToken, Endpoint, FileOrTerminal, KeyHome};
use zeroize::Zeroizing;

pub(crate) use arguments::Arguments;
use arguments::Command;

/// Runs a command; whatever goes wrong is one sentence on standard error.
pub(crate) async fn run(arguments: Arguments) -> ExitCode {
    let outcome = match execute(arguments).await {
        Err(error) if is_closed_pipe(&error) => return ExitCode::SUCCESS,
        outcome => outcome,
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}

async fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let home = home(&arguments)?;
    match arguments.command {
        Command::Classify(ref options) => classify::run(endpoint(&arguments)?, home, options).await,
        Command::Generate(ref options) => generate::run(endpoint(&arguments)?, home, options).await,
        Command::Keys(ref options) => keys::run(&arguments, home, options).await,
        Command::Forget { json } => forget::run(endpoint(&arguments)?, home, json).await,
        Command::Inspect(ref options) => inspect::run(endpoint(&arguments)?, home, options).await,
        Command::Ui(ref options) => ui::run(endpoint(&arguments)?, home, options).await,
    }
}

/// The keys' home; new keys are protected where a file says by what.
fn home(arguments: &Arguments) -> anyhow::Result<KeyHome> {
    let file = arguments.passphrase_file.clone();
    let file = file.filter(|path| !path.as_os_str().is_empty());
    let home = KeyHome::new(home_folder(arguments)?);
    Ok(match &file {
        Some(_) => home.protect_new_keys(),
        None => home,
    }
    .with_passphrases(Arc::new(FileOrTerminal::new(file))))
}

/// The server that is meant, and how to talk to it.
fn endpoint(arguments: &Arguments) -> anyhow::Result<Endpoint> {
    let server = arguments.server.as_deref().context(
        "no server is named; pass --server http://HOST:PORT, or set CIPHERFORMER_SERVER",
    )?;
    let mut endpoint = Endpoint::new(server);
    if let Some(file) = &arguments.ca {
        endpoint = endpoint.ca(file);
    }
    let token = match &arguments.token_file {
        Some(file) => Some(BearerToken::read(file)?),
        None => token_of_environment()?,
    };
    Ok(match token {
        Some(token) => endpoint.token(token),
        None => endpoint,
    })
}

/// Other users cannot see variables, unlike arguments.
fn token_of_environment() -> anyhow::Result<Option<BearerToken>> {
    let Some(token) = std::env::var_os("CIPHERFORMER_TOKEN") else {
        return Ok(None);
    };
    let token = Zeroizing::new(token.into_encoded_bytes());
    let text = std::str::from_utf8(&token).unwrap_or_default(); // which is no token
    Ok(Some(BearerToken::new(text)?))
}

fn home_folder(arguments: &Arguments) -> anyhow::Result<std::path::PathBuf> {
    if let Some(home) = &arguments.home {
        return Ok(home.clone());
    }
    let user = std::env::home_dir().filter(|folder| !folder.as_os_str().is_empty());
    let user = user.context(
        "your home folder is not known; pass --home DIR, or set CIPHERFORMER_HOME, to say where keys \
         are kept",
    )?;
    Ok(user.join(".cipherformer"))
}

/// One line on standard output.
fn print(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}

/// Ends when the user presses Ctrl-C.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await // without signals, Ctrl-C ends the program
    }
}

/// The reader of our output has seen enough: no error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let source = error.downcast_ref::<io::Error>();
    source.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// An error and its causes, without those whose text it has already.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if sentence.contains(&cause) {
            continue;
        }
        if !sentence.is_empty() {
            sentence.push_str(": ");
        }
        sentence.push_str(&cause);
    }
    sentence
}
