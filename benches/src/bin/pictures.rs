//! Draws the book's pictures from real runs.
//!
//! `cargo run --release --bin pictures`

use std::path::PathBuf;

use anyhow::Result;
use cipherformer_benches::pictures::write;
use clap::Parser;

/// Run what the book's pictures show and draw them, each for light and for dark pages
#[derive(Parser)]
struct Args {
    /// The folder to write to
    #[arg(long, default_value = "docs/src/pictures")]
    out: PathBuf,
    /// Only these pictures
    names: Vec<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    write(&args.out, &args.names)
}
