//! `generate`: texts that a circuit continues, letter by letter.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use cipherformer_client::{Bar, Client, ClientError, Endpoint, Generation, KeyHome, Sampling};

use super::arguments::Generate;
use super::{interrupted, print};

/// Exit code of a program that Ctrl-C ended: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

pub(crate) async fn run(
    server: Endpoint,
    home: KeyHome,
    options: &Generate,
) -> anyhow::Result<ExitCode> {
    let bar = Arc::new(Bar::default());
    let outcome = generate_all(server, home, &bar, options).await;
    bar.clear();
    outcome
}

async fn generate_all(
    server: Endpoint,
    home: KeyHome,
    bar: &Arc<Bar>,
    options: &Generate,
) -> anyhow::Result<ExitCode> {
    if options.count == 0 {
        bail!("--count is 0, so there is nothing to do; pass 1 or more");
    }
    let sampling = Sampling::new(options.temperature, options.top_k)?;
    let prefix = prefix(options)?;
    let client = Client::connect(server, home, bar.clone()).await?;
    let seed = match options.seed {
        Some(seed) => seed,
        None => u64::from(rand::random::<u32>()), // short enough to be typed again
    };
    for number in 0..options.count {
        // Each text has a seed of its own, so that it can be had again without the others.
        let seed = seed.wrapping_add(number);
        let mut screen = Screen::new(options, bar);
        let mut text = prefix.clone();
        if let Screen::Bar(_) = screen {
            screen.show(&text); // elsewhere the prefix waits until it is known to be usable
        }
        let letter = |letter: &str| {
            text.push_str(letter);
            screen.show(&text);
        };
        let circuit = &options.circuit;
        let generated = client.generate(circuit, &prefix, &sampling, seed, letter, interrupted());
        match generated.await {
            Ok(generated) => screen.finish(&generated)?,
            Err(error) => {
                screen.abandon();
                if matches!(error, ClientError::Cancelled) {
                    return Ok(ExitCode::from(INTERRUPTED));
                }
                return Err(error.into());
            }
        }
    }
    if options.seed.is_none() && !options.json {
        eprintln!("the seed was {seed}; pass it with --seed to draw the same again");
    }
    Ok(ExitCode::SUCCESS)
}

/// What every text begins with.
fn prefix(options: &Generate) -> anyhow::Result<String> {
    if options.prefix != "-" {
        return Ok(options.prefix.clone());
    }
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    read.context("cannot read the prefix from standard input")?;
    Ok(line.trim_end().to_owned())
}

/// Where a text appears as it grows.
enum Screen<'a> {
    /// Nowhere: one JSON object at the end.
    Json,
    /// In front of the progress bar, which shares the line on a terminal.
    Bar(&'a Bar),
    /// Straight on standard output; so many bytes are there.
    Plain { shown: usize },
}

impl<'a> Screen<'a> {
    fn new(options: &Generate, bar: &'a Bar) -> Self {
        let terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        match (options.json, terminal) {
            (true, _) => Self::Json,
            (false, true) => Self::Bar(bar),
            (false, false) => Self::Plain { shown: 0 },
        }
    }

    /// The text so far.
    fn show(&mut self, text: &str) {
        match self {
            Self::Json => {}
            Self::Bar(bar) => bar.label(&format!("{text}  ")),
            Self::Plain { shown } => {
                let mut out = io::stdout().lock();
                // An error is told when the line ends.
                let _ = write!(out, "{}", &text[*shown..]).and_then(|()| out.flush());
                *shown = text.len();
            }
        }
    }

    /// The line ends early.
    fn abandon(&self) {
        match self {
            Self::Json | Self::Plain { shown: 0 } => {}
            Self::Bar(bar) => bar.label(""),
            Self::Plain { .. } => {
                let _ = writeln!(io::stdout()); // the reader may have seen enough
            }
        }
    }

    fn finish(&mut self, generated: &Generation) -> anyhow::Result<()> {
        let time = format!("{:.2} s a letter", generated.seconds_per_token);
        self.show(&generated.text);
        match self {
            Self::Json => print(&serde_json::to_string(generated)?),
            Self::Bar(bar) => {
                bar.label("");
                bar.clear();
                print(&format!("{}  {time}", generated.text))
            }
            Self::Plain { .. } => print(&format!("  {time}")),
        }
    }
}
