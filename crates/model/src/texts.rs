//! Measuring a circuit that continues texts: how well it predicts each next character.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cipherformer_circuit::{Bag, Circuit, CircuitError, OutputLayout, Plain, Vocabulary};
use serde::Serialize;

use crate::data::refuse;
use crate::decoder::END;
use crate::error::ModelError;
use crate::evaluate::{Evaluator, Mode};
use crate::progress;

/// What an evaluation found.
#[derive(Clone, Debug, Serialize)]
pub struct TextsEvaluation {
    /// The circuit's name.
    pub circuit: String,
    /// How it was evaluated.
    pub mode: Mode,
    /// How many texts.
    pub examples: usize,
    /// How many characters and end marks were predicted.
    pub tokens: usize,
    /// Mean of -log p(token), in nats, end marks counted.
    pub cross_entropy: f64,
    /// Part of the tokens whose most likely prediction is the reference's, 0 to 1; `None` for the reference
    /// itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// Texts looked at, but left out, as they are longer than the context.
    pub left_out: usize,
    /// Time for all texts, without making keys or the reference that they are compared with.
    pub seconds: f64,
}

/// Evaluates a circuit on a file of texts, one a line, or looks at its first `limit` only; `seed` is of the
/// simulated noise.
///
/// # Errors
/// A file that cannot be used, or a circuit that cannot be evaluated encrypted.
pub fn evaluate_texts(
    circuit: &Circuit,
    path: &Path,
    limit: Option<usize>,
    mode: Mode,
    seed: u64,
) -> Result<TextsEvaluation, ModelError> {
    let mut all = read_texts(path, circuit.vocabulary())?;
    all.truncate(limit.unwrap_or(usize::MAX));
    let (texts, left_out) = short_enough(path, all, circuit.positions())?;
    let mut evaluator = Evaluator::new(circuit, mode, seed)?;
    let bar = progress::bar("evaluating", texts.len());
    let (mut tally, mut time) = (Tally::default(), Duration::ZERO);
    for text in &texts {
        let tokens = tokens(circuit, text)?;
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
    Ok(TextsEvaluation {
        circuit: circuit.manifest().name.clone(),
        mode,
        examples: texts.len(),
        tokens: tally.tokens,
        cross_entropy: tally.cross_entropy(),
        agreement: (mode != Mode::Reference).then(|| tally.same as f64 / tally.tokens as f64),
        left_out,
        seconds: time.as_secs_f64(),
    })
}

/// The lines of a file that are not empty; a line with a character that the vocabulary does not have is refused.
pub(crate) fn read_texts(path: &Path, vocabulary: &Vocabulary) -> Result<Vec<String>, ModelError> {
    let text = fs::read_to_string(path).map_err(|source| ModelError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let mut texts = Vec::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        let unknown = line
            .chars()
            .find(|&letter| token(vocabulary, letter).is_none());
        if let Some(letter) = unknown {
            let reason = format!(
                "the circuit does not know the character {letter:?}; remove the line or spell it with those of the \
                 vocabulary"
            );
            return Err(refuse(path, Some(index as u64 + 1), &reason));
        }
        if !line.is_empty() {
            texts.push(line.to_owned());
        }
    }
    Ok(texts)
}

/// The texts that leave a position for the start mark, and how many do not.
///
/// # Errors
/// None that do.
pub(crate) fn short_enough(
    path: &Path,
    texts: Vec<String>,
    positions: usize,
) -> Result<(Vec<String>, usize), ModelError> {
    let (short, long): (Vec<String>, Vec<String>) = texts
        .into_iter()
        .partition(|text| text.chars().count() < positions);
    if short.is_empty() {
        let reason = "it has no text that is short enough for the context; add some";
        return Err(refuse(path, None, reason));
    }
    Ok((short, long.len()))
}

/// The token of a character; none is the mark that starts and ends texts.
pub(crate) fn token(vocabulary: &Vocabulary, letter: char) -> Option<usize> {
    let id = vocabulary.id(&letter.to_string());
    id.filter(|&id| id != usize::from(END))
}

/// The start mark and the characters of a text.
///
/// # Errors
/// A character that the vocabulary does not have.
pub fn tokens(circuit: &Circuit, text: &str) -> Result<Vec<usize>, CircuitError> {
    let letters = text.chars().map(|letter| {
        token(circuit.vocabulary(), letter).ok_or_else(|| CircuitError::Input {
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

pub(crate) fn bags(tokens: &[usize]) -> Vec<Bag> {
    tokens.iter().copied().map(Bag::token).collect()
}

/// Predictions of characters and end marks, so far.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) tokens: usize,
    loss: f64,
    same: usize,
}

impl Tally {
    /// Mean cross-entropy.
    pub(crate) fn cross_entropy(&self) -> f64 {
        self.loss / self.tokens as f64
    }

    /// Adds one text.
    pub(crate) fn add(
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
