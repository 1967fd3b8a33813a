//! What whoever starts a run decides.

use std::path::PathBuf;
use std::time::Duration;

use crate::malformed::codecs::Codecs;
use crate::serve::Serve;

/// Presses a server of this build, on this computer, for a while; fails if it does what it must not.
#[derive(Debug, clap::Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// What this program is when it starts itself.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Role {
    /// The server that is pressed
    #[command(hide = true)]
    Serve(Serve),
    /// The process that reads hostile bytes
    #[command(hide = true)]
    Codecs(Codecs),
}

/// A run.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Minutes that all of it may take; each scenario has its share. 20 are enough for everything on 2 cores
    #[arg(long, value_name = "N", default_value_t = 5.0, value_parser = minutes)]
    minutes: f64,

    /// What to do
    #[arg(long, value_enum, default_value_t = Scenario::All)]
    scenario: Scenario,

    /// Little of everything, in one to three minutes: for continuous integration. Times are measured, but not judged
    #[arg(long, conflicts_with = "minutes")]
    pub(crate) short: bool,

    /// Print the results as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Folder of circuits, among them prompt-guard and names-gpt
    #[arg(long, value_name = "DIR", default_value = "circuits")]
    pub(crate) circuits: PathBuf,

    /// What random numbers begin with; a run with the same seed sends the same bytes, but for keys and noise
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// What can be done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Many clients at once
    Load,
    /// Many registered clients
    Memory,
    /// SIGKILL and restart, again and again
    Kill,
    /// Hostile bytes and requests
    Malformed,
    /// All of these
    All,
}

impl Scenario {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Memory => "memory",
            Self::Kill => "kill",
            Self::Malformed => "malformed",
            Self::All => "all",
        }
    }
}

/// Parts of the time, when everything is done.
const SHARES: [(Scenario, f64); 4] = [
    (Scenario::Load, 0.1),
    (Scenario::Memory, 0.15),
    (Scenario::Kill, 0.45),
    (Scenario::Malformed, 0.3),
];

impl Run {
    /// What to do, and what part of the time each may take.
    pub(crate) fn scenarios(&self) -> Vec<(Scenario, f64)> {
        match self.scenario {
            Scenario::All => SHARES.to_vec(),
            one => vec![(one, 1.0)],
        }
    }

    /// The time for all of it.
    pub(crate) fn time(&self) -> Duration {
        let minutes = if self.short { 3.0 } else { self.minutes };
        Duration::from_secs_f64(60.0 * minutes)
    }

    /// What random numbers begin with.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(rand::random)
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.1..=1440.0).contains(&minutes) => Ok(minutes),
        _ => Err("a number from 0.1 to 1440 is needed".to_owned()),
    }
}
