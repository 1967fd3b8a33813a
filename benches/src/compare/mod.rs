//! Cipherformer beside other implementations: on the same machine, one core, in turns.
//!
//! Every comparison decrypts what both sides computed and fails if it is wrong.

mod attention;
mod concrete_core;
mod cores;
mod dense;
mod dense_shortint;
mod levels;
mod lut;
mod matrix;
mod shortint;
mod timing;

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::machine::processor;

/// What can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Name {
    /// A LUT of 4 bits against shortint's default set
    #[value(name = "lut_2_2")]
    #[serde(rename = "lut_2_2")]
    Lut22,
    /// A LUT of 4 bits against one of 2 bits of shortint's 1_1 set
    #[value(name = "lut_1_1")]
    #[serde(rename = "lut_1_1")]
    Lut11,
    /// A dense layer of 64 to 64 with activation against the same one written with shortint
    Dense,
    /// A 768 x 768 matrix times an encrypted vector against a published time
    Matrix,
    /// An attention head of 4 tokens and width 16 against an earlier time of Concrete
    Attention,
    /// A LUT of 4 bits against concrete-core 1.0.2
    ConcreteCore,
    /// Two cores against one
    #[serde(rename = "two_cores")]
    Cores,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// One side of a comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// What was run.
    pub what: String,
    /// The parameters.
    pub parameters: String,
    /// log2 of the probability that one LUT gives a wrong output, where there is one.
    pub failure_log2: Option<f64>,
    /// Whether decrypted results were checked against the clear ones; a wrong one ends the program.
    pub checked: bool,
}

/// One task, measured on both sides.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Median milliseconds of ours.
    pub ours_ms: f64,
    /// Median milliseconds of theirs.
    pub theirs_ms: f64,
    /// theirs / ours: how many times as fast ours is.
    pub ratio: f64,
    /// What the times are for.
    pub unit: &'static str,
    /// Ours.
    pub ours: Side,
    /// Theirs.
    pub theirs: Side,
    /// What else is worth knowing.
    #[serde(flatten)]
    pub details: BTreeMap<&'static str, Value>,
}

impl Comparison {
    fn new(unit: &'static str, [ours_ms, theirs_ms]: [f64; 2], ours: Side, theirs: Side) -> Self {
        Self {
            ours_ms,
            theirs_ms,
            ratio: theirs_ms / ours_ms,
            unit,
            ours,
            theirs,
            details: BTreeMap::new(),
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.details.insert(name, value.into());
        self
    }
}

/// All comparisons of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The processor's name.
    pub processor: String,
    /// How many cores each side used; the comparison of cores says so for itself.
    pub cores: usize,
    /// Each time is the median of so many, the two sides in turns.
    pub rounds: usize,
    /// Security of all our parameter sets, in bits; the others' sets claim the same.
    pub security_bits: u32,
    /// What to know before comparing.
    pub note: &'static str,
    /// How many times the throughput a second core gives, if that was measured.
    pub two_cores_speedup: Option<f64>,
    /// By name.
    #[serde(flatten)]
    pub comparisons: BTreeMap<Name, Comparison>,
}

const NOTE: &str =
    "shortint's sets are made for failures of less than 2^-128 a LUT, ours for less than 2^-40";

/// Runs one comparison, the medians of so many rounds.
///
/// # Errors
/// A wrong result on either side.
pub fn run(name: Name, rounds: usize) -> Result<Comparison> {
    let comparison = match name {
        Name::Lut22 => timing::on_cores(1, || lut::run(lut::Set::Message2Carry2, rounds)),
        Name::Lut11 => timing::on_cores(1, || lut::run(lut::Set::Message1Carry1, rounds)),
        Name::Dense => timing::on_cores(1, || dense::run(rounds)),
        Name::Matrix => timing::on_cores(1, || matrix::run(rounds)),
        Name::Attention => timing::on_cores(1, || attention::run(rounds)),
        Name::ConcreteCore => timing::on_cores(1, || concrete_core::run(rounds)),
        Name::Cores => cores::run(rounds),
    };
    comparison.with_context(|| format!("comparison {name}"))
}

/// Runs some comparisons, or all if `names` is empty. Says on standard error what it does.
///
/// # Errors
/// A wrong result on any side.
pub fn run_all(names: &[Name], rounds: usize) -> Result<Report> {
    let names = match names {
        [] => Name::value_variants(),
        names => names,
    };
    let mut comparisons = BTreeMap::new();
    for &name in names {
        eprintln!("{name}");
        let comparison = run(name, rounds)?;
        eprintln!(
            "  {:.3} ms, theirs {:.3} ms, ratio {:.2}",
            comparison.ours_ms, comparison.theirs_ms, comparison.ratio
        );
        comparisons.insert(name, comparison);
    }
    Ok(Report {
        processor: processor(),
        cores: 1,
        rounds,
        security_bits: 128,
        note: NOTE,
        two_cores_speedup: comparisons.get(&Name::Cores).map(|cores| cores.ratio),
        comparisons,
    })
}
