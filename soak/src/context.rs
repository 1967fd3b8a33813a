//! What every scenario works with: its time, its folder, its sizes, and a line that says how far it is.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cipherformer_circuit::Circuit;
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;

use crate::options::{Run, Scenario};
use crate::process::{Process, Settings};

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Clients at once, and what each asks.
    pub(crate) clients: usize,
    pub(crate) prompts: usize,
    /// Prompts of one client alone, to compare with.
    pub(crate) alone: usize,
    /// Registered clients.
    pub(crate) registered: usize,
    /// Times that the server is killed.
    pub(crate) rounds: u64,
    /// Hostile bytes, and requests.
    pub(crate) inputs: u64,
    pub(crate) requests: u64,
}

const FULL: Sizes = Sizes {
    clients: 16,
    prompts: 20,
    alone: 60,
    registered: 50,
    rounds: 50,
    inputs: 100_000,
    requests: 40_000,
};

const SHORT: Sizes = Sizes {
    clients: 5,
    prompts: 6,
    alone: 12,
    registered: 6,
    rounds: 4,
    inputs: 10_000,
    requests: 2_000,
};

/// A scenario's surroundings.
pub(crate) struct Context {
    pub(crate) sizes: Sizes,
    pub(crate) seed: u64,
    pub(crate) stage: Stage,
    circuits: PathBuf,
    folder: TempDir,
    end: Instant,
}

impl Context {
    /// For a scenario that may take this share of the time.
    pub(crate) fn new(options: &Run, scenario: Scenario, share: f64) -> Result<Self> {
        let circuits = std::path::absolute(&options.circuits)?;
        Ok(Self {
            sizes: if options.short { SHORT } else { FULL },
            seed: options.seed(),
            stage: Stage::new(scenario.name()),
            circuits,
            folder: tempfile::tempdir().context("cannot make a temporary folder")?,
            end: Instant::now() + options.time().mul_f64(share),
        })
    }

    /// Whether the scenario's time is over.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// When it is.
    pub(crate) fn end(&self) -> Instant {
        self.end
    }

    /// What is left of its time.
    pub(crate) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// The scenario's folder, which goes with it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A circuit that is shipped.
    pub(crate) fn circuit(&self, name: &str) -> Result<Arc<Circuit>> {
        let folder = self.circuits.join(name);
        let circuit = Circuit::load(&folder);
        let circuit = circuit.with_context(|| {
            format!("no usable circuit in {}; see --circuits", folder.display())
        })?;
        Ok(Arc::new(circuit))
    }

    /// A server of its own.
    pub(crate) fn server(&self, queue: usize, key_memory_mb: usize) -> Result<Process> {
        self.stage.say("starting the server");
        Process::start(Settings {
            circuits: self.circuits.clone(),
            folder: self.folder().to_owned(),
            queue,
            key_memory_mb,
        })
    }
}

/// Says how far a scenario is: in one line of a terminal, else in a line for each step.
#[derive(Clone)]
pub(crate) struct Stage {
    name: &'static str,
    bar: Option<ProgressBar>,
}

impl Stage {
    fn new(name: &'static str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {prefix:9} {msg} ({elapsed})");
            bar.set_style(style.expect("a valid template"));
            bar.set_prefix(name);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { name, bar }
    }

    /// What is done now.
    pub(crate) fn say(&self, what: impl Into<String>) {
        match &self.bar {
            Some(bar) => bar.set_message(what.into()),
            None => eprintln!("{:9} {}", self.name, what.into()),
        }
    }

    /// How far that is; only where it replaces what was there before.
    pub(crate) fn count(&self, what: impl Into<String>) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.into());
        }
    }

    /// Clears the line.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
