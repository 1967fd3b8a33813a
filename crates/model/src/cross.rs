//! Cross-validation: the accuracy to expect on texts like those trained on.

use std::collections::HashMap;

use cipherformer_circuit::Circuit;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::choose_vocabulary;
use crate::data::Example;
use crate::error::ModelError;
use crate::evaluate::reference_scores;
use crate::guard::{bags, circuit};
use crate::metrics::Metrics;
use crate::recipe::Recipe;
use crate::train::train;

/// Into how many parts the data is cut.
const FOLDS: usize = 5;

/// Figures on texts that were left out of training, each text once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossValidation {
    /// Before quantization.
    pub float: Metrics,
    /// Quantized.
    pub reference: Metrics,
}

/// Trains five times, each time without a fifth of the examples, and measures on those. Texts that differ
/// only in case and punctuation are never on both sides. `step` is called after every step of training,
/// `steps` times.
///
/// # Errors
/// As training on all of the examples.
pub(crate) fn cross_validate(
    examples: &[Example],
    recipe: &Recipe,
    seed: u64,
    step: impl Fn(),
) -> Result<CrossValidation, ModelError> {
    let fold_of = folds(examples, seed);
    let (mut float, mut reference) = (Vec::new(), Vec::new());
    for fold in 0..FOLDS {
        let part = |held_out: bool| -> Vec<Example> {
            let of_fold = examples.iter().zip(&fold_of);
            let kept = of_fold.filter(|(_, f)| (**f == fold) == held_out);
            kept.map(|(example, _)| example.clone()).collect()
        };
        let (fit, test) = (part(false), part(true));
        let vocabulary = choose_vocabulary(&fit, recipe)?;
        let model = train(
            &bags(&fit, &vocabulary),
            vocabulary.len(),
            recipe,
            seed,
            &step,
        )?;
        let circuit: Circuit = circuit(&model, vocabulary, recipe)?;
        for (example, (bag, _)) in test.iter().zip(bags(&test, circuit.vocabulary())) {
            float.push((model.scores(&bag), example.label));
        }
        for example in &test {
            let scores = reference_scores(&circuit, &example.text)?;
            reference.push((scores, example.label));
        }
    }
    Ok(CrossValidation {
        float: Metrics::new(float),
        reference: Metrics::new(reference),
    })
}

/// About how many steps of training a cross-validation takes.
pub(crate) fn steps(examples: usize, recipe: &Recipe) -> usize {
    FOLDS * recipe.steps(examples - examples / FOLDS)
}

/// A fold for each example; the same for texts of the same words.
fn folds(examples: &[Example], seed: u64) -> Vec<usize> {
    let keys: Vec<String> = examples.iter().map(|e| words_only(&e.text)).collect();
    let mut distinct = keys.clone();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.shuffle(&mut StdRng::seed_from_u64(seed));
    let fold_of: HashMap<&str, usize> = distinct
        .iter()
        .enumerate()
        .map(|(index, key)| (key.as_str(), index % FOLDS))
        .collect();
    keys.iter().map(|key| fold_of[key.as_str()]).collect()
}

fn words_only(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric() && c != '_');
    words
        .filter(|w| !w.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_copies_share_a_fold() {
        let example = |text: String| Example { text, label: 0 };
        let mut examples: Vec<Example> = (0..50).map(|i| example(format!("Text {i}!"))).collect();
        examples.extend((0..50).map(|i| example(format!("text, {i}"))));
        let folds = folds(&examples, 3);
        assert_eq!(folds[..50], folds[50..]);
        for fold in 0..FOLDS {
            assert_eq!(folds.iter().filter(|f| **f == fold).count(), 20);
        }
    }
}
