//! Measures everything and writes the book's page of benchmarks.
//!
//! `cargo run --release --bin report`

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Result;
use cipherformer_benches::report::{Options, write};
use clap::Parser;

/// Where the peers' script is told to leave its figures.
const PEERS: &str = "benches/peers/concrete.json";

/// Measure everything and write docs/src/benchmarks.md with its pictures; about ten minutes
#[derive(Parser)]
struct Args {
    /// The folder to write to
    #[arg(long, default_value = "docs/src")]
    out: PathBuf,
    /// How often each side of a comparison is measured
    #[arg(long, default_value = "5")]
    rounds: NonZeroUsize,
    /// Figures that benches/peers/concrete_ml.py wrote; those of benches/peers/concrete.json if they are there
    #[arg(long)]
    peers: Option<PathBuf>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let usual = Path::new(PEERS);
    let peers = args.peers.as_deref().or(usual.exists().then_some(usual));
    write(
        &args.out,
        Options {
            rounds: args.rounds.get(),
            peers,
        },
    )
}
