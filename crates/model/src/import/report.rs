//! What an import found, for people and for programs.

use std::fmt::Write as _;
use std::path::PathBuf;

use cipherformer_circuit::Estimate;
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
    /// Texts that are longer than the context, and were left out.
    pub left_out: usize,
    /// Whether those measured on come from a file of their own.
    pub own_file: bool,
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

/// Figures on the texts that were not calibrated with.
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
        if self.left_out > 0 {
            add(format!(
                "{} texts are longer than the context, and were left out",
                self.left_out
            ));
        }
        text.push_str(&self.quality.table());
        text.push_str(&cost(&self.estimate, &self.parameter_set));
        text
    }
}

fn layers(layers: &[ImportedLayer]) -> String {
    let width = |part: fn(&ImportedLayer) -> &str| {
        layers
            .iter()
            .map(|layer| part(layer).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (first, second) = (width(|l| &l.layer), width(|l| &l.tensor));
    let mut text = format!(
        "{:first$}  {:second$}  {:>12}  {:>8}  {:>5}  {:>16}  {:>18}  {:>9}\n",
        "layer",
        "tensor",
        "shape",
        "integers",
        "steps",
        "largest error",
        "calibrated range",
        "possible"
    );
    for layer in layers {
        let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
        let part = 100.0 * layer.error.largest / layer.error.of.max(f64::MIN_POSITIVE);
        let error = format!("{:.4} ({part:.1} %)", layer.error.largest);
        let [low, high] = layer.range;
        let range = format!("{low:.2} to {high:.2}");
        let possible = layer
            .possible
            .map_or("-".to_owned(), |bound| format!("±{bound:.2}"));
        let integers = format!("±{}", layer.largest_integer);
        writeln!(
            text,
            "{:first$}  {:second$}  {:>12}  {integers:>8}  {:>5}  {error:>16}  {range:>18}  {possible:>9}",
            layer.layer,
            layer.tensor,
            shape.join(" x "),
            layer.steps,
        )
        .expect("a string takes all");
    }
    text
}

impl Quality {
    /// A row for each way to evaluate, and what the difference is.
    pub(super) fn table(&self) -> String {
        match self {
            Self::Classifier {
                float,
                reference,
                simulate,
                reference_agreement,
                simulate_agreement,
            } => {
                let mut text = format!(
                    "{:12}{:>10}{:>10}{:>16}{:>22}\n",
                    "", "accuracy", "F1", "cross-entropy", "verdicts as float's"
                );
                let rows = [
                    ("float", float, None),
                    ("reference", reference, Some(reference_agreement)),
                    ("simulate", simulate, Some(simulate_agreement)),
                ];
                for (name, metrics, agreement) in rows {
                    let accuracy = percent(metrics.accuracy);
                    let (f1, nats) = (metrics.f1, metrics.cross_entropy);
                    let agreement = agreement.map_or(String::new(), |part| percent(*part));
                    let row =
                        format!("{name:12}{accuracy:>10}{f1:>10.4}{nats:>16.4}{agreement:>22}");
                    text.push_str(row.trim_end());
                    text.push('\n');
                }
                let lost = 100.0 * (float.accuracy - simulate.accuracy);
                text + &format!("quantization and noise cost {lost:.2} points of accuracy\n")
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
                let mut text = format!(
                    "{:12}{:>14}{:>28}\n",
                    "", "nats a token", "most likely token as float's"
                );
                let rows = [
                    ("float", float, None),
                    ("reference", reference, Some(reference_agreement)),
                    ("simulate", simulate, Some(simulate_agreement)),
                ];
                for (name, nats, agreement) in rows {
                    let agreement = agreement.map_or(String::new(), |part| percent(*part));
                    let row = format!("{name:12}{nats:>14.4}{agreement:>28}");
                    text.push_str(row.trim_end());
                    text.push('\n');
                }
                let lost = simulate - float;
                text + &format!(
                    "{tokens} tokens; quantization and noise cost {lost:.3} nats a token; scores are capped at {cap:.2}\n\
                     weights are rounded as they are: training that knows of rounding and noise would cost less\n"
                )
            }
        }
    }
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
