//! Attention of the shape of GPT-2's first layer, encrypted: time, cost and precision.
//!
//! `cargo run --release -p cipherformer-benches --bin gpt2_attention -- --heads 12 --tokens 8`

use std::time::Instant;

use anyhow::{Context, Result};
use cipherformer_benches::gpt2::{Layer, Model, Plan, Times, Token, mean_entropy};
use cipherformer_circuit::parameters::PRECISE_1024;
use cipherformer_fhe::{EncryptedScores, EvaluationKey, SecretKey, SeededEvaluationKey};
use clap::{Parser, ValueEnum};
use serde::Serialize;

/// Measure attention of the shape of GPT-2 small's first layer on ciphertexts
#[derive(Parser)]
struct Args {
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
enum Heads {
    /// One head, without output projection
    #[value(name = "1")]
    One,
    /// All heads and the output projection
    #[value(name = "12")]
    All,
}

#[derive(Serialize)]
struct Report {
    heads: usize,
    tokens: usize,
    /// Of the server's evaluation, on all cores.
    seconds: f64,
    projections_seconds: f64,
    scores_seconds: f64,
    softmax_seconds: f64,
    outputs_seconds: f64,
    cores: usize,
    luts: usize,
    ring_products: usize,
    evaluation_key_bytes: usize,
    request_bytes: usize,
    response_bytes: usize,
    peak_rss_bytes: u64,
    /// Mean over tokens of the cosine with the computation in `f64`.
    cosine: f64,
    max_abs_error: f64,
    /// Root mean square of the outputs, which `max_abs_error` is to be compared with.
    output_rms: f64,
    /// Of the softmax, as a part of that of equal weights.
    mean_entropy: f64,
    parameter_set: &'static str,
    security_bits: u32,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let heads = match args.heads {
        Heads::One => 1,
        Heads::All => cipherformer_benches::gpt2::HEADS,
    };
    let report = measure(heads, args.tokens, args.seed)?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn measure(heads: usize, tokens: usize, seed: u64) -> Result<Report> {
    let parameters = &PRECISE_1024;
    eprintln!("weights and matrices");
    let model = Model::new(heads, seed);
    let plan = Plan::new(&model, tokens, parameters)?;
    let layer = Layer::new(&plan, parameters)?;

    eprintln!("keys");
    let secret = SecretKey::generate(parameters);
    let bytes = SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
    let evaluation_key_bytes = bytes.len();
    let seeded = SeededEvaluationKey::from_bytes(&bytes, parameters)?;
    let key = EvaluationKey::expand(seeded, parameters);

    let inputs = Model::inputs(tokens, seed + (1 << 33)); // not the stream that the weights are from
    let encrypt = |input: &Vec<f64>| Token::encrypt(input, &plan, &layer, &secret);
    let encrypted: Vec<Token> = inputs.iter().map(encrypt).collect::<Result<_>>()?;
    let request_bytes = encrypted.iter().map(Token::bytes).sum();

    eprintln!("evaluation of {} LUTs", plan.luts());
    let start = Instant::now();
    let (responses, counters, times) = layer.evaluate(encrypted, &key)?;
    let seconds = start.elapsed().as_secs_f64();

    let decrypt = |response: &EncryptedScores| plan.decrypt(response, &secret);
    let outputs: Vec<Vec<f64>> = responses.iter().map(decrypt).collect::<Result<_>>()?;
    let expected = model.forward(&inputs);
    let errors = outputs.iter().flatten().zip(expected.iter().flatten());
    let cosines = outputs.iter().zip(&expected).map(|(a, b)| cosine(a, b));
    let entropies = (0..heads).map(|head| mean_entropy(&model.probabilities(head, &inputs)));
    let Times {
        projections,
        scores,
        softmax,
        outputs: mixing,
    } = times;
    Ok(Report {
        heads,
        tokens,
        seconds,
        projections_seconds: projections.as_secs_f64(),
        scores_seconds: scores.as_secs_f64(),
        softmax_seconds: softmax.as_secs_f64(),
        outputs_seconds: mixing.as_secs_f64(),
        cores: std::thread::available_parallelism()?.get(),
        luts: counters.luts,
        ring_products: counters.ring_products,
        evaluation_key_bytes,
        request_bytes,
        response_bytes: responses.iter().map(|r| r.to_bytes().len()).sum(),
        peak_rss_bytes: peak_rss_bytes()?,
        cosine: cosines.sum::<f64>() / tokens as f64,
        max_abs_error: errors.fold(0.0, |m, (a, b)| m.max((a - b).abs())),
        output_rms: root_mean_square(&expected),
        mean_entropy: entropies.sum::<f64>() / heads as f64,
        parameter_set: parameters.name,
        security_bits: parameters.security_bits,
    })
}

fn print(report: &Report) {
    println!(
        "{} head(s), {} tokens: {:.2} s on {} cores",
        report.heads, report.tokens, report.seconds, report.cores
    );
    println!("  projections    {:.2} s", report.projections_seconds);
    println!("  scores         {:.2} s", report.scores_seconds);
    println!("  softmax        {:.2} s", report.softmax_seconds);
    println!("  outputs        {:.2} s", report.outputs_seconds);
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

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn root_mean_square(rows: &[Vec<f64>]) -> f64 {
    let squares = rows.iter().flatten().map(|x| x * x);
    (squares.sum::<f64>() / rows.iter().flatten().count() as f64).sqrt()
}

/// The most memory the process has had, keys and matrices included; Linux keeps the figure.
fn peak_rss_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    let kibibytes: u64 = kibibytes.context("no VmHWM in the status")?.parse()?;
    Ok(1024 * kibibytes)
}
