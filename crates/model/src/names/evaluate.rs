//! Measuring a circuit on names: how well it predicts each next letter.

use std::path::Path;
use std::time::{Duration, Instant};

use cipherformer_circuit::{Bag, Circuit, CircuitError, OutputLayout, Plain};
use serde::Serialize;

use super::data::{END, read, refuse};
use crate::error::ModelError;
use crate::evaluate::{Evaluator, Mode};
use crate::progress;

/// What an evaluation found.
#[derive(Clone, Debug, Serialize)]
pub struct NamesEvaluation {
    /// The circuit's name.
    pub circuit: String,
    /// How it was evaluated.
    pub mode: Mode,
    /// How many names.
    pub examples: usize,
    /// How many letters and end marks were predicted.
    pub tokens: usize,
    /// Mean of -log p(token), in nats, end marks counted.
    pub cross_entropy: f64,
    /// Part of the tokens whose most likely prediction is the reference's, 0 to 1; `None` for the reference
    /// itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// Names looked at, but left out, as they are longer than the context.
    pub left_out: usize,
    /// Time for all names, without making keys or the reference that they are compared with.
    pub seconds: f64,
}

/// Evaluates a circuit on a file of names, one a line, or looks at its first `limit` only; `seed` is of the
/// simulated noise.
///
/// # Errors
/// A file that cannot be used, or a circuit that cannot be evaluated encrypted.
pub fn evaluate_names(
    circuit: &Circuit,
    path: &Path,
    limit: Option<usize>,
    mode: Mode,
    seed: u64,
) -> Result<NamesEvaluation, ModelError> {
    let text = read(path)?;
    let all = text.lines().map(str::trim).filter(|name| !name.is_empty());
    let looked_at = all.take(limit.unwrap_or(usize::MAX));
    let (names, long): (Vec<&str>, Vec<&str>) =
        looked_at.partition(|name| name.len() < circuit.positions());
    if names.is_empty() {
        let reason = "it has no name that is short enough to evaluate; add some";
        return Err(refuse(path, None, reason));
    }
    let mut evaluator = Evaluator::new(circuit, mode, seed)?;
    let bar = progress::bar("evaluating", names.len());
    let (mut tally, mut time) = (Tally::default(), Duration::ZERO);
    for name in &names {
        let tokens = tokens(circuit, name)?;
        let start = Instant::now();
        let logits = evaluator.outputs(circuit, &bags(&tokens))?;
        time += start.elapsed();
        let reference = match mode {
            Mode::Reference => None,
            Mode::Simulate | Mode::Encrypted => Some(reference_logits(circuit, &tokens)?),
        };
        tally.add(&tokens, &logits, reference.as_deref());
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(NamesEvaluation {
        circuit: circuit.manifest().name.clone(),
        mode,
        examples: names.len(),
        tokens: tally.tokens,
        cross_entropy: tally.cross_entropy(),
        agreement: (mode != Mode::Reference).then(|| tally.same as f64 / tally.tokens as f64),
        left_out: long.len(),
        seconds: time.as_secs_f64(),
    })
}

/// The start mark and the letters of a name.
///
/// # Errors
/// A letter that the vocabulary does not have.
pub fn tokens(circuit: &Circuit, name: &str) -> Result<Vec<usize>, CircuitError> {
    let letters = name.chars().map(|letter| {
        let id = circuit.vocabulary().id(&letter.to_string());
        id.ok_or_else(|| CircuitError::Input {
            reason: format!("the circuit does not know the letter {letter:?}"),
        })
    });
    std::iter::once(Ok(usize::from(END)))
        .chain(letters)
        .collect()
}

/// The logits after every token, without noise.
///
/// # Errors
/// A token that the vocabulary does not have.
pub fn reference_logits(
    circuit: &Circuit,
    tokens: &[usize],
) -> Result<Vec<Vec<f64>>, CircuitError> {
    Plain::reference().outputs(circuit, &bags(tokens))
}

fn bags(tokens: &[usize]) -> Vec<Bag> {
    tokens.iter().copied().map(Bag::token).collect()
}

/// Predictions of letters and end marks, so far.
#[derive(Default)]
pub(super) struct Tally {
    tokens: usize,
    loss: f64,
    same: usize,
}

impl Tally {
    /// Mean cross-entropy.
    pub(super) fn cross_entropy(&self) -> f64 {
        self.loss / self.tokens as f64
    }

    /// Adds one name.
    pub(super) fn add(
        &mut self,
        tokens: &[usize],
        logits: &[Vec<f64>],
        reference: Option<&[Vec<f64>]>,
    ) {
        let end = [usize::from(END)];
        let targets = tokens[1..].iter().chain(&end);
        for (position, (logits, &target)) in logits.iter().zip(targets).enumerate() {
            self.tokens += 1;
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|x| (x - largest).exp()).sum();
            self.loss += sum.ln() + largest - logits[target];
            let same = |reference: &[Vec<f64>]| {
                OutputLayout::argmax(&reference[position]) == OutputLayout::argmax(logits)
            };
            self.same += usize::from(reference.is_some_and(same));
        }
    }
}
