//! Attention of the shape of GPT-2's first layer, or of a small head, encrypted: time, cost and precision.
//!
//! `cargo run --release --bin gpt2_attention -- --heads 12 --tokens 8`

use anyhow::Result;
use cipherformer_benches::gpt2::{Attention, GPT2, HEADS, SMALL, Shape, measure_shape};
use clap::{Parser, ValueEnum};

/// Measure attention of the shape of GPT-2 small's first layer on ciphertexts
#[derive(Parser)]
struct Args {
    /// Widths of tokens and heads
    #[arg(long, value_enum, default_value = "gpt2")]
    shape: Sizes,
    /// How many heads
    #[arg(long, value_enum, default_value = "1")]
    heads: Heads,
    /// Number of tokens, 2 to 16
    #[arg(long, default_value_t = 8)]
    tokens: usize,
    /// Seed of weights and inputs
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sizes {
    /// Tokens of 768 numbers, heads of 64
    Gpt2,
    /// Tokens and heads of 16 numbers; every token sees all
    Small,
}

#[derive(Clone, Copy, ValueEnum)]
enum Heads {
    /// One head, without output projection
    #[value(name = "1")]
    One,
    /// All heads and the output projection
    #[value(name = "12")]
    All,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let heads = match args.heads {
        Heads::One => 1,
        Heads::All => HEADS,
    };
    let shape = match args.shape {
        Sizes::Gpt2 => GPT2,
        Sizes::Small => SMALL,
    };
    let report = measure_shape(Shape { heads, ..shape }, args.tokens, args.seed)?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &Attention) {
    println!(
        "{} head(s), {} tokens of {} numbers: {:.3} s on {} core(s)",
        report.heads, report.tokens, report.width, report.seconds, report.cores
    );
    println!("  projections    {:.3} s", report.projections_seconds);
    println!("  scores         {:.3} s", report.scores_seconds);
    println!("  softmax        {:.3} s", report.softmax_seconds);
    println!("  outputs        {:.3} s", report.outputs_seconds);
    println!("LUTs             {}", report.luts);
    println!("ring products    {}", report.ring_products);
    println!("evaluation key   {} bytes", report.evaluation_key_bytes);
    println!("request          {} bytes", report.request_bytes);
    println!("response         {} bytes", report.response_bytes);
    println!("peak memory      {} bytes", report.peak_rss_bytes);
    println!("cosine           {:.4}", report.cosine);
    println!(
        "largest error    {:.3}, outputs of {:.3} root mean square",
        report.max_abs_error, report.output_rms
    );
    println!(
        "softmax entropy  {:.0} % of that of equal weights",
        100.0 * report.mean_entropy
    );
    println!(
        "parameters       {}, {} bits",
        report.parameter_set, report.security_bits
    );
}
