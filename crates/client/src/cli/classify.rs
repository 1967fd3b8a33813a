//! `classify`: one text, or one a line from standard input.

use std::ffi::OsStr;
use std::io::{self, BufRead};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use cipherformer_client::{Bar, Classification, Client, ClientError, Endpoint, KeyHome, one_line};

use super::arguments::Classify;
use super::print;

/// In a list of answers, texts are shown up to this many characters.
const SHOWN_CHARACTERS: usize = 60;

pub(crate) async fn run(
    server: Endpoint,
    home: KeyHome,
    options: &Classify,
) -> anyhow::Result<ExitCode> {
    let bar = Arc::new(Bar::default());
    let outcome = if options.text == OsStr::new("-") {
        classify_lines(server, home, &bar, options).await
    } else {
        classify_argument(server, home, &bar, options).await
    };
    bar.clear();
    outcome
}

async fn classify_argument(
    server: Endpoint,
    home: KeyHome,
    bar: &Arc<Bar>,
    options: &Classify,
) -> anyhow::Result<ExitCode> {
    let Some(text) = options.text.to_str() else {
        bail!("the text is not UTF-8; convert it first, for example with `iconv -t UTF-8`");
    };
    if text.trim().is_empty() {
        return Err(ClientError::EmptyText.into()); // before keys are made for nothing
    }
    let client = Client::connect(server, home, bar.clone()).await?;
    let answer = client.classify(&options.circuit, text).await?;
    bar.clear();
    print_notes(&answer, "note");
    match options.json {
        true => print(&json(&answer))?,
        false => print(&readable(&answer))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A line that cannot be classified is reported and the others go on; a server that cannot be used
/// ends it.
async fn classify_lines(
    server: Endpoint,
    home: KeyHome,
    bar: &Arc<Bar>,
    options: &Classify,
) -> anyhow::Result<ExitCode> {
    let client = Client::connect(server, home, bar.clone()).await?;
    let (mut lines, mut failures) = (0, 0);
    for line in io::stdin().lock().split(b'\n') {
        lines += 1;
        let line = line.context("cannot read standard input")?;
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let outcome = match std::str::from_utf8(line) {
            Ok(text) => classify_line(&client, &options.circuit, text).await,
            Err(_) => Ok(Err("the text is not UTF-8; convert it first".to_owned())),
        };
        bar.clear();
        match outcome.with_context(|| format!("line {lines}"))? {
            Ok(answer) => {
                print_notes(&answer, &format!("line {lines}: note"));
                match options.json {
                    true => print(&json(&answer))?,
                    false => print(&format!(
                        "{}  {}",
                        verdict(&answer),
                        one_line(&answer.text, SHOWN_CHARACTERS)
                    ))?,
                }
            }
            Err(reason) => {
                eprintln!("line {lines}: error: {reason}");
                failures += 1;
            }
        }
    }
    if lines == 0 {
        bail!("standard input is empty; write one text a line to it");
    }
    Ok(match failures {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// The answer to one line, or what is wrong with the line; an error is not the line's fault.
async fn classify_line(
    client: &Client,
    circuit: &str,
    text: &str,
) -> Result<Result<Classification, String>, ClientError> {
    match client.classify(circuit, text).await {
        Ok(answer) => Ok(Ok(answer)),
        Err(error @ ClientError::EmptyText) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// What the user should know of how the text was read.
fn print_notes(answer: &Classification, prefix: &str) {
    if answer.dropped_features + answer.dropped_words > 0 {
        eprintln!(
            "{prefix}: the text is longer than the circuit takes; its last {} words were not looked at, \
             and {} of the known words and word pairs before them were dropped",
            answer.dropped_words, answer.dropped_features
        );
    }
    if answer.features == 0 {
        eprintln!("{prefix}: the circuit knows no word of this text, so the verdict says little");
    }
}

fn json(answer: &Classification) -> String {
    serde_json::to_string(answer).expect("plain data")
}

fn readable(answer: &Classification) -> String {
    format!(
        "{}\n\
         encrypted in {:.1} ms, evaluated by the server in {:.0} ms ({} LUTs), decrypted in {:.1} ms\n\
         sent {} encrypted bytes, received {}; the server saw no word of the text",
        verdict(answer),
        answer.encrypt_ms,
        answer.server_ms,
        answer.luts,
        answer.decrypt_ms,
        answer.request_bytes,
        answer.response_bytes
    )
}

fn verdict(answer: &Classification) -> String {
    let scores: Vec<String> = answer.scores.iter().map(|s| format!("{s:+}")).collect();
    format!("{:<9} (scores {})", answer.label, scores.join(", "))
}
