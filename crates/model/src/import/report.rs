//! What an import found, for people and for programs.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{array, iter};

use cipherformer_circuit::{Estimate, OutputPolicy};
use serde::Serialize;

use crate::metrics::Metrics;

/// A circuit that was made of weights from elsewhere, and how far it is from them.
#[derive(Clone, Debug, Serialize)]
pub struct ImportReport {
    /// The circuit's name.
    pub circuit: String,
    /// Its folder.
    pub out: PathBuf,
    /// Its digest.
    pub digest: String,
    /// The parameter set.
    pub parameter_set: String,
    /// Every matrix, in order.
    pub layers: Vec<ImportedLayer>,
    /// How many texts ranges were calibrated with.
    pub calibrated: usize,
    /// How many others the figures are of.
    pub measured: usize,
    /// Texts of the calibration file that are among those measured on, and so were not calibrated with.
    pub shared: usize,
    /// Texts that are longer than the context, and were left out.
    pub left_out: usize,
    /// Whether those measured on come from a file of their own.
    pub own_file: bool,
    /// How much of the scores clients get.
    pub policy: OutputPolicy,
    /// How good the model is, before and after.
    #[serde(flatten)]
    pub quality: Quality,
    /// Cost and noise.
    pub estimate: Estimate,
}

/// A matrix before and after quantization.
#[derive(Clone, Debug, Serialize)]
pub struct ImportedLayer {
    /// Its place in the specification, and what it is.
    pub layer: String,
    /// Its tensor.
    pub tensor: String,
    /// The tensor's shape.
    pub shape: Vec<usize>,
    /// The largest integer that a weight may become.
    pub largest_integer: u8,
    /// How many steps its integers have: one a channel, or one for all.
    pub steps: usize,
    /// The largest difference between a weight and what stands for it, and the largest weight.
    pub error: WeightError,
    /// Smallest and largest of the layer's outputs in calibration.
    pub range: [f64; 2],
    /// The largest magnitude that any text can give them; `None` where only calibration says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub possible: Option<f64>,
}

/// How far rounded weights are from what they were.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WeightError {
    /// The largest difference.
    pub largest: f64,
    /// The largest weight.
    pub of: f64,
}

/// Figures on the texts that were not calibrated with. Verdicts (most likely tokens) are those of what clients get;
/// cross-entropies (nats) are of the scores before the output policy leaves little of them.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Quality {
    /// Of a classifier.
    Classifier {
        /// As it was trained.
        float: Metrics,
        /// Quantized.
        reference: Metrics,
        /// Quantized, with the noise to expect.
        simulate: Metrics,
        /// Part of the reference's verdicts that are the float model's.
        reference_agreement: f64,
        /// Part of the verdicts with noise that are.
        simulate_agreement: f64,
    },
    /// Of a transformer.
    Transformer {
        /// How many tokens were predicted, end marks counted.
        tokens: usize,
        /// Nats a token, as it was trained.
        float: f64,
        /// Quantized.
        reference: f64,
        /// Quantized, with the noise to expect.
        simulate: f64,
        /// Part of the reference's most likely tokens that are the float model's.
        reference_agreement: f64,
        /// Part of those with noise that are.
        simulate_agreement: f64,
        /// The soft cap that the circuit's scores have.
        cap: f64,
    },
}

/// The largest difference of two lists of weights.
pub(super) fn worst_error(weights: &[f32], rounded: &[f64]) -> WeightError {
    let pairs = weights.iter().zip(rounded);
    WeightError {
        largest: pairs
            .map(|(&w, r)| (f64::from(w) - r).abs())
            .fold(0.0, f64::max),
        of: weights
            .iter()
            .map(|w| f64::from(w.abs()))
            .fold(0.0, f64::max),
    }
}

impl ImportReport {
    /// For people.
    pub fn table(&self) -> String {
        let mut text = format!("wrote {}\n\n", self.out.display());
        text.push_str(&layers(&self.layers));
        let own = match self.own_file {
            true => "texts of a file of their own",
            false => "texts kept apart from calibration",
        };
        let (measured, calibrated) = (self.measured, self.calibrated);
        let mut add = |line: String| writeln!(text, "{line}").expect("a string takes all");
        add(format!(
            "\nmeasured on {measured} {own}, calibrated on {calibrated}; only you know which of them it was trained on"
        ));
        if self.shared > 0 {
            add(format!(
                "{} texts to calibrate with are among those measured on, and were not calibrated with",
                self.shared
            ));
        }
        if self.left_out > 0 {
            add(format!(
                "{} texts are longer than the context, and were left out",
                self.left_out
            ));
        }
        if self.policy != OutputPolicy::Scores {
            add(format!(
                "clients get {}: verdicts and most likely tokens are of that, nats are of the scores before it",
                self.policy
            ));
        }
        text.push_str(&self.quality.table());
        text.push_str(&cost(&self.estimate, &self.parameter_set));
        text
    }
}

/// The columns of the table of layers, and how wide they are at least. The first two are names.
const COLUMNS: [(&str, usize); 8] = [
    ("layer", 0),
    ("tensor", 0),
    ("shape", 12),
    ("integers", 8),
    ("steps", 5),
    ("largest error", 16),
    ("calibrated range", 18),
    ("possible", 9),
];

fn layers(layers: &[ImportedLayer]) -> String {
    let head = COLUMNS.map(|(name, _)| name.to_owned());
    let rows: Vec<[String; 8]> = iter::once(head)
        .chain(layers.iter().map(ImportedLayer::row))
        .collect();
    let widths: [usize; 8] = array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.fold(COLUMNS[column].1, usize::max)
    });
    let line = |row: &[String; 8]| {
        let cells = row.iter().zip(widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            0 | 1 => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ") + "\n"
    };
    rows.iter().map(line).collect()
}

impl ImportedLayer {
    fn row(&self) -> [String; 8] {
        let shape: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        let part = 100.0 * self.error.largest / self.error.of.max(f64::MIN_POSITIVE);
        let [low, high] = self.range;
        let possible = self.possible.map(|bound| format!("±{bound:.2}"));
        [
            self.layer.clone(),
            self.tensor.clone(),
            shape.join(" x "),
            format!("±{}", self.largest_integer),
            self.steps.to_string(),
            format!("{:.4} ({part:.1} %)", self.error.largest),
            format!("{low:.2} to {high:.2}"),
            possible.unwrap_or("-".to_owned()),
        ]
    }
}

impl Quality {
    /// A row for each way to evaluate, and what the difference is.
    fn table(&self) -> String {
        match self {
            Self::Classifier {
                float,
                reference,
                simulate,
                reference_agreement,
                simulate_agreement,
            } => {
                let lost = 100.0 * (float.accuracy - simulate.accuracy);
                rows(
                    &format!("{:>10}{:>10}{:>16}", "accuracy", "F1", "cross-entropy"),
                    "verdicts as float's",
                    [float, reference, simulate].map(of_classifier),
                    [*reference_agreement, *simulate_agreement],
                ) + &format!("quantization and noise cost {lost:.2} points of accuracy\n")
            }
            Self::Transformer {
                tokens,
                float,
                reference,
                simulate,
                reference_agreement,
                simulate_agreement,
                cap,
            } => {
                let lost = simulate - float;
                rows(
                    &format!("{:>14}", "nats a token"),
                    "most likely token as float's",
                    [float, reference, simulate].map(|nats| format!("{nats:>14.4}")),
                    [*reference_agreement, *simulate_agreement],
                ) + &format!(
                    "{tokens} tokens; quantization and noise cost {lost:.3} nats a token; scores are capped at {cap:.2}\n\
                     {ROUNDED}\n"
                )
            }
        }
    }
}

/// What every imported transformer would gain by.
const ROUNDED: &str =
    "weights are rounded as they are: training that knows of rounding and noise would cost less";

fn of_classifier(metrics: &Metrics) -> String {
    let (accuracy, f1) = (percent(metrics.accuracy), metrics.f1);
    format!("{accuracy:>10}{f1:>10.4}{:>16.4}", metrics.cross_entropy)
}

/// Figures of the float model, the reference and the simulation; the agreement of the last two with the first.
fn rows(head: &str, agreement: &str, figures: [String; 3], shares: [f64; 2]) -> String {
    let width = agreement.chars().count() + 3;
    let mut text = format!("{:12}{head}{agreement:>width$}\n", "");
    let shares = [String::new(), percent(shares[0]), percent(shares[1])];
    let names = ["float", "reference", "simulate"].into_iter();
    for ((name, figures), share) in names.zip(figures).zip(shares) {
        let row = format!("{name:12}{figures}{share:>width$}");
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

fn percent(part: f64) -> String {
    format!("{:.2} %", 100.0 * part)
}

fn cost(estimate: &Estimate, parameter_set: &str) -> String {
    format!(
        "\n{parameter_set}: {} LUTs, an evaluation key of {:.1} MB, {:.2} s on one core of the reference machine; \
         input noise of at most {:.3} %\n",
        estimate.luts,
        estimate.evaluation_key_bytes as f64 / 1e6,
        estimate.predicted_seconds_per_core,
        100.0 * estimate.worst_input_noise,
    )
}
