//! Cipherformer beside other implementations, on one core of this machine, in turns.
//!
//! `cargo run --release --bin compare -- --json`

use anyhow::Result;
use cipherformer_benches::compare::{Comparison, Name, Report, Side, run_all};
use clap::Parser;

/// Measure LUTs, a dense layer and a matrix product side by side with other implementations
#[derive(Parser)]
struct Args {
    /// Medians of so many turns
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only this comparison; may be given more than once
    #[arg(long, value_enum)]
    only: Vec<Name>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let report = run_all(&args.only, args.rounds)?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &Report) {
    println!(
        "{}, {} core, median of {} turns each",
        report.processor, report.cores, report.rounds
    );
    println!("{}", report.note);
    println!();
    let [name, ours, theirs, ratio] = ["", "ours", "theirs", "ratio"];
    println!("{name:<16}{ours:>14}{theirs:>14}{ratio:>9}  for");
    for (name, comparison) in &report.comparisons {
        let Comparison {
            ours_ms,
            theirs_ms,
            ratio,
            unit,
            ..
        } = comparison;
        let name = name.to_string();
        println!("{name:<16}{ours_ms:>11.3} ms{theirs_ms:>11.3} ms{ratio:>9.2}  {unit}");
    }
    for (name, comparison) in &report.comparisons {
        println!();
        println!("{name}");
        side("ours", &comparison.ours);
        side("theirs", &comparison.theirs);
        for (name, value) in &comparison.details {
            println!("  {name}: {value}");
        }
    }
}

fn side(whose: &str, side: &Side) {
    println!("  {whose}: {}", side.what);
    println!("    {}", side.parameters);
    if let Some(failure) = side.failure_log2 {
        println!("    failure probability 2^{failure:.1}");
    }
}
