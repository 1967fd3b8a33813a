//! Measuring a circuit on labelled texts.

use std::time::Instant;

use cipherformer_circuit::{Bag, Circuit, CircuitError, OutputLayout, Plain};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::data::Example;
use crate::encrypted::EncryptedPair;
use crate::error::ModelError;
use crate::metrics::Metrics;
use crate::progress;

/// How the circuit is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Plain numbers without noise.
    Reference,
    /// Plain numbers with the noise to expect.
    Simulate,
    /// Ciphertexts, under keys made for the occasion.
    Encrypted,
}

/// What an evaluation found.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// The circuit's name.
    pub circuit: String,
    /// How it was evaluated.
    pub mode: Mode,
    /// Accuracy and the like.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Part of the verdicts that are the reference's, 0 to 1; `None` for the reference itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// Time for all examples, without making keys.
    pub seconds: f64,
}

/// Evaluates a circuit on every example, labelled as the circuit's labels are; `seed` is of the simulated noise.
///
/// # Errors
/// A circuit that cannot be evaluated encrypted.
pub fn evaluate_circuit(
    circuit: &Circuit,
    examples: &[Example],
    mode: Mode,
    seed: u64,
) -> Result<Evaluation, ModelError> {
    let (scores, seconds) = scores(circuit, examples, mode, seed)?;
    let agreement = match mode {
        Mode::Reference => None,
        Mode::Simulate | Mode::Encrypted => Some(agreement(circuit, examples, &scores)?),
    };
    let labels = examples.iter().map(|example| example.label);
    Ok(Evaluation {
        circuit: circuit.manifest().name.clone(),
        mode,
        metrics: Metrics::new(scores.into_iter().zip(labels)),
        agreement,
        seconds,
    })
}

/// The scores of every example, and the seconds that took without making keys.
pub(crate) fn scores(
    circuit: &Circuit,
    examples: &[Example],
    mode: Mode,
    seed: u64,
) -> Result<(Vec<Vec<f64>>, f64), ModelError> {
    let mut evaluator = Evaluator::new(circuit, mode, seed)?;
    let start = Instant::now();
    let bar = progress::bar("evaluating", examples.len());
    let mut scores = Vec::with_capacity(examples.len());
    for example in examples {
        let bag = circuit.vocabulary().bag(&example.text);
        scores.extend(evaluator.outputs(circuit, &[bag])?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok((scores, start.elapsed().as_secs_f64()))
}

/// The scores of a text without noise, one a label.
pub(crate) fn reference_scores(circuit: &Circuit, text: &str) -> Result<Vec<f64>, CircuitError> {
    let bag = circuit.vocabulary().bag(text);
    let mut outputs = Plain::reference().outputs(circuit, &[bag])?;
    Ok(outputs.remove(0))
}

/// How a mode evaluates.
pub(crate) enum Evaluator {
    Plain(Box<Plain>),
    Encrypted(Box<EncryptedPair>),
}

impl Evaluator {
    /// Makes keys where the mode needs some; `seed` is of the simulated noise.
    pub(crate) fn new(circuit: &Circuit, mode: Mode, seed: u64) -> Result<Self, ModelError> {
        Ok(match mode {
            Mode::Reference => Self::Plain(Box::new(Plain::reference())),
            Mode::Simulate => Self::Plain(Box::new(Plain::simulate(seed))),
            Mode::Encrypted => Self::Encrypted(Box::new(make_keys(circuit)?)),
        })
    }

    /// What the client gets after each input of a session.
    pub(crate) fn outputs(
        &mut self,
        circuit: &Circuit,
        inputs: &[Bag],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        match self {
            Self::Plain(engine) => Ok(engine.outputs(circuit, inputs)?),
            Self::Encrypted(pair) => pair.outputs(inputs),
        }
    }
}

/// Keys for an encrypted evaluation, with a spinner while they are made.
fn make_keys(circuit: &Circuit) -> Result<EncryptedPair, ModelError> {
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(std::time::Duration::from_millis(100));
    spinner.set_message("making keys");
    let step = |step| spinner.set_message(format!("making keys: {step}"));
    let pair = EncryptedPair::new(circuit.clone(), step)?;
    spinner.finish_and_clear();
    Ok(pair)
}

fn agreement(
    circuit: &Circuit,
    examples: &[Example],
    scores: &[Vec<f64>],
) -> Result<f64, ModelError> {
    let mut same = 0;
    for (example, scores) in examples.iter().zip(scores) {
        let reference = reference_scores(circuit, &example.text)?;
        same += usize::from(OutputLayout::argmax(&reference) == OutputLayout::argmax(scores));
    }
    Ok(same as f64 / examples.len().max(1) as f64)
}
