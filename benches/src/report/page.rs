//! The text of the report.

use std::fmt::Write as _;

use cipherformer_circuit::Precision;
use cipherformer_circuit::parameters::ParameterSet;
use serde_json::Value;

use super::measure::{LutCost, Measurements};
use crate::compare::Comparison;

/// The whole page.
pub(super) fn text(measurements: &Measurements, peers: Option<&Value>) -> String {
    let parts = [
        head(measurements),
        letter(measurements),
        luts(measurements),
        scaling(measurements),
        attention(measurements),
        comparisons(measurements),
        concrete(peers),
        PUBLISHED.to_owned(),
    ];
    parts.join("\n")
}

fn head(measurements: &Measurements) -> String {
    format!(
        "# Benchmarks\n\n\
         Measured on {} of an {}, all of it in one run of\n\n\
         ```sh\ncargo run --release --bin report\n```\n\n\
         which writes this page. Nothing on it is edited by hand. Times are the fastest of three where nothing else is said; \
         comparisons are medians of {} rounds in turns.\n",
        cores(measurements.cores),
        measurements.comparisons.processor,
        measurements.comparisons.rounds
    )
}

fn cores(count: usize) -> String {
    format!("{count} core{}", if count == 1 { "" } else { "s" })
}

/// Rows of a table, the first of them the heading.
fn table(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        writeln!(text, "| {} |", row.join(" | ")).expect("a string takes all");
        if i == 0 {
            writeln!(text, "|{}", "---|".repeat(row.len())).expect("a string takes all");
        }
    }
    text
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.2} ms", 1e3 * seconds)
}

fn letter(measurements: &Measurements) -> String {
    let letter = &measurements.letter;
    let times: Vec<f64> = letter
        .positions
        .iter()
        .map(|(_, time)| time.as_secs_f64())
        .collect();
    let (mean, last) = (
        times.iter().sum::<f64>() / times.len() as f64,
        times[times.len() - 1],
    );
    let luts: Vec<usize> = letter.positions.iter().map(|(luts, _)| *luts).collect();
    let (first, most) = (luts[0], luts[luts.len() - 1]);
    format!(
        "## Where the time of a letter goes\n\n\
         `names-gpt` takes {first} LUTs for its first letter and {most} for its last, {} positions later: {mean:.2} s in the mean, \
         {last:.2} s for the last, on {}. LUTs are nearly all of it; products, packing and linear layers of 3 ms and less \
         are left out of the picture.\n\n\
         ![milliseconds by layer](benchmarks-letter.svg)\n\n\
         ![milliseconds by position](benchmarks-length.svg)\n",
        letter.positions.len(),
        cores(measurements.cores)
    )
}

fn luts(measurements: &Measurements) -> String {
    let mut rows = vec![row([
        "LUT, one core",
        "in a batch of 64",
        "alone",
        "input noise, of its range",
        "output noise",
        "of the arithmetic limit",
    ])];
    rows.extend(
        measurements
            .luts
            .iter()
            .map(|lut| lut_row(lut, measurements.peak_flops)),
    );
    format!(
        "## LUTs\n\n\
         Key switch, modulus switch, blind rotation and extraction. The arithmetic limit is what the multiplications and \
         additions of FFTs and products would take at the {:.1} billion a second that the same core does when it does nothing \
         else.\n\n{}\n![milliseconds by precision](benchmarks-luts.svg)\n",
        measurements.peak_flops / 1e9,
        table(&rows)
    )
}

fn lut_row(lut: &LutCost, peak_flops: f64) -> Vec<String> {
    let set: &ParameterSet = lut.parameters;
    let coarse = if lut.precision == Precision::Coarse {
        ", coarse"
    } else {
        ""
    };
    let input = set.lut_input_noise();
    let output = set.lut_output_variance(lut.precision).log2() / 2.0;
    let limit = set.lut_work(lut.precision).flops() / peak_flops;
    vec![
        format!("`{}`{coarse}", set.name),
        milliseconds(lut.seconds),
        milliseconds(lut.alone),
        format!("{:.2} %", 100.0 * input),
        format!("2^{output:.1}"),
        format!("{:.0} %", 100.0 * limit / lut.seconds),
    ]
}

fn scaling(measurements: &Measurements) -> String {
    let mut rows = vec![row(["cores", "LUTs a second", "times one core's"])];
    let one = measurements
        .scaling
        .first()
        .map_or(1.0, |(_, speed)| *speed);
    rows.extend(measurements.scaling.iter().map(|(threads, speed)| {
        vec![
            threads.to_string(),
            format!("{speed:.0}"),
            format!("{:.2}", speed / one),
        ]
    }));
    format!(
        "## Cores\n\n{}\n![LUTs a second by cores](benchmarks-cores.svg)\n",
        table(&rows)
    )
}

fn attention(measurements: &Measurements) -> String {
    let mut rows = vec![row([
        "heads",
        "tokens",
        "time",
        "LUTs",
        "ring products",
        "cosine with `f64`",
        "evaluation key",
    ])];
    rows.extend(measurements.attention.iter().map(|attention| {
        vec![
            attention.heads.to_string(),
            attention.tokens.to_string(),
            format!("{:.2} s", attention.seconds),
            attention.luts.to_string(),
            attention.ring_products.to_string(),
            format!("{:.4}", attention.cosine),
            format!("{:.1} MB", attention.evaluation_key_bytes as f64 / 1e6),
        ]
    }));
    format!(
        "## Attention of the shape of GPT-2's first layer\n\n\
         On {}; twelve heads with the output projection.\n\n{}",
        cores(measurements.cores),
        table(&rows)
    )
}

fn comparisons(measurements: &Measurements) -> String {
    let mut rows = vec![row(["", "ours", "theirs", "times as fast", "against"])];
    let comparisons = measurements.comparisons.comparisons.values();
    rows.extend(comparisons.map(comparison));
    format!(
        "## Side by side\n\n\
         One core unless it says otherwise, both sides in turns, results decrypted and checked. {}.\n\n{}",
        capital(measurements.comparisons.note),
        table(&rows)
    )
}

fn comparison(comparison: &Comparison) -> Vec<String> {
    vec![
        format!("{}: {}", comparison.unit, comparison.ours.what),
        format!("{:.2} ms", comparison.ours_ms),
        format!("{:.2} ms", comparison.theirs_ms),
        format!("{:.1}", comparison.ratio),
        format!(
            "{} ({})",
            comparison.theirs.what, comparison.theirs.parameters
        ),
    ]
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// What `benches/peers/concrete_ml.py` wrote.
fn concrete(peers: Option<&Value>) -> String {
    let head = "## Beside Concrete\n\n";
    let Some(peers) = peers else {
        return format!(
            "{head}Not measured in this run: `benches/peers/concrete_ml.py` had left no figures. Its README says how to \
             run it.\n"
        );
    };
    let mut rows = vec![row(["", "time", "bootstraps", "keys"])];
    for task in ["dense", "attention"] {
        let variants = peers[task]["variants"].as_array();
        let all = std::iter::once(&peers[task]).chain(variants.into_iter().flatten());
        rows.extend(all.filter_map(|variant| peer(task, variant)));
    }
    let machine = peers["machine"].as_str().unwrap_or("another machine");
    let version = peers["concrete"].as_str().unwrap_or("unknown");
    format!(
        "{head}The same tasks in Concrete {version}, by `benches/peers/concrete_ml.py`, on one core of an {machine}.\n\n{}",
        table(&rows)
    )
}

/// A task that was measured: its processor time, which a busy machine does not change much.
fn peer(task: &str, variant: &Value) -> Option<Vec<String>> {
    let milliseconds = variant["theirs_cpu_ms"].as_f64()?;
    let name = variant["name"].as_str().unwrap_or_default();
    let figure = |key: &str, unit: f64| variant[key].as_f64().map_or(f64::NAN, |x| x / unit);
    Some(vec![
        format!("{task}, {name}"),
        format!("{:.2} s", milliseconds / 1e3),
        format!("{:.0}", figure("pbs_count", 1.0)),
        format!("{:.0} MB", figure("key_bytes", 1e6)),
    ])
}

/// Figures of others, as they published them.
const PUBLISHED: &str = "## Published elsewhere\n
Figures as their authors give them, on machines of their own; the second column says where ours are above.

| what | published | ours |
|---|---|---|
| attention of GPT-2's first layer, 12 heads, 8 tokens (Zama, Concrete ML's LLM example, 2023) | 863 s on 192 virtual cores, 251,136 bootstraps | attention, 12 heads |
| the same, one head | 166 s on 192 virtual cores, 21,376 bootstraps | attention, 1 head |
| encrypted vector of 768 times clear 768 x 768 matrix (concrete-ml-extensions, one core) | 9.1 s, 134 MB of keys | side by side |
| LUT of 4 bits, failures below 2^-128 (tfhe-rs 1.8, default set) | see side by side, measured here | side by side |
";
