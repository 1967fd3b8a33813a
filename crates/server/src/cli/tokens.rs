//! `tokens`: add, list, revoke.

use std::io::{self, Write};
use std::path::PathBuf;

use cipherformer_server::{TokenEntry, TokenFile};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add a token and print it, once: only its hash is kept
    Add(Add),
    /// Say which tokens there are
    List(File),
    /// Make a token worthless; a running server sees it within two seconds
    Revoke(Revoke),
}

#[derive(Args)]
pub(crate) struct File {
    /// The file of tokens, as the server's --tokens names it
    #[arg(long, value_name = "FILE", env = "CIPHERFORMER_TOKENS")]
    file: PathBuf,
}

#[derive(Args)]
pub(crate) struct Add {
    #[command(flatten)]
    file: File,
    /// Whose it is: keys and sessions will belong to this name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// How many evaluations its client may have a day, counted from midnight UTC: a text to classify is one, each token
    /// of a session another [default: as many as it likes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    evaluations_per_day: Option<u64>,
    /// Its last day, as YYYY-MM-DD in UTC, or the moment from which it is worth nothing, as
    /// YYYY-MM-DDTHH:MM:SSZ [default: it does not end]
    #[arg(long, value_name = "DATE", value_parser = end)]
    expires: Option<Timestamp>,
}

#[derive(Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    file: File,
    /// Whose it is
    #[arg(long, value_name = "NAME")]
    name: String,
}

/// Runs one of them.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match command {
        Command::Add(add) => {
            let file = TokenFile::new(add.file.file);
            let token = file.add(&add.name, add.evaluations_per_day, add.expires)?;
            writeln!(out, "{token}")?;
        }
        Command::List(file) => {
            for token in TokenFile::new(file.file).list()? {
                writeln!(out, "{}", line(&token))?;
            }
        }
        Command::Revoke(revoke) => {
            TokenFile::new(revoke.file.file).revoke(&revoke.name)?;
            writeln!(out, "revoked {}", revoke.name)?;
        }
    }
    Ok(out.flush()?)
}

fn line(token: &TokenEntry) -> String {
    let budget = match token.evaluations_per_day {
        Some(count) => format!("{count} evaluations a day"),
        None => "any number of evaluations".to_owned(),
    };
    let end = match token.expires {
        Some(when) if token.expired(Timestamp::now()) => format!("expired {when}"),
        Some(when) => format!("expires {when}"),
        None => "does not expire".to_owned(),
    };
    format!("{:<24} made {}, {budget}, {end}", token.name, token.created)
}

/// The end of a day, or a moment.
fn end(text: &str) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    // Parsing would take a moment without a zone for its day.
    let day = Date::strptime("%Y-%m-%d", text)
        .map_err(|error| format!("{error}; write it as YYYY-MM-DD"))?;
    let next = day
        .checked_add(1.day())
        .map_err(|error| error.to_string())?;
    let midnight = TimeZone::UTC.to_timestamp(next.at(0, 0, 0, 0));
    midnight.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_valid_to_its_end() {
        let end = |text: &str| end(text).map(|end| end.to_string());
        assert_eq!(end("2027-02-28").as_deref(), Ok("2027-03-01T00:00:00Z"));
        assert_eq!(
            end("2027-02-28T12:00:00Z").as_deref(),
            Ok("2027-02-28T12:00:00Z")
        );
        assert_eq!(
            end("2027-02-28T12:00:00+01:00").as_deref(),
            Ok("2027-02-28T11:00:00Z")
        );
        for wrong in [
            "",
            "tomorrow",
            "2027-02-30",
            "28.2.2027",
            "2027-02-28T12:00:00",
        ] {
            assert!(end(wrong).is_err(), "{wrong}");
        }
    }
}
