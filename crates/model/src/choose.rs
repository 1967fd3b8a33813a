//! Which features a vocabulary gets.

use std::collections::HashMap;

use cipherformer_circuit::{Vocabulary, extract};

use crate::data::Example;
use crate::error::ModelError;
use crate::metrics::POSITIVE;
use crate::recipe::Recipe;

/// Chooses the features that separate the classes best: naive Bayes weight times the square root of
/// how many texts have the feature. Sorted by spelling, because the vocabulary is public and an order by
/// score would tell every client which features matter.
///
/// # Errors
/// Texts without any feature that appears in [`Recipe::min_texts`] of them.
pub fn choose_vocabulary(examples: &[Example], recipe: &Recipe) -> Result<Vocabulary, ModelError> {
    let mut texts_with: HashMap<String, [u32; 2]> = HashMap::new();
    let mut texts = [0u32; 2];
    for example in examples {
        let class = usize::from(example.label == POSITIVE);
        texts[class] += 1;
        for feature in extract(&example.text).features {
            texts_with.entry(feature).or_default()[class] += 1;
        }
    }
    let mut scored: Vec<(f64, String)> = texts_with
        .into_iter()
        .filter(|(_, counts)| counts.iter().sum::<u32>() >= recipe.min_texts)
        .map(|(feature, counts)| (separation(counts, texts), feature))
        .collect();
    scored.sort_by(|(a, x), (b, y)| b.total_cmp(a).then_with(|| x.cmp(y)));
    scored.truncate(recipe.entries);
    let mut features: Vec<String> = scored.into_iter().map(|(_, feature)| feature).collect();
    features.sort_unstable();
    Ok(Vocabulary::new(
        features,
        recipe.max_features,
        recipe.min_count,
    )?)
}

/// `|log P(feature | injection) - log P(feature | benign)| * sqrt(texts with the feature)`.
fn separation(counts: [u32; 2], texts: [u32; 2]) -> f64 {
    let log_probability =
        |class: usize| ((f64::from(counts[class]) + 0.5) / f64::from(texts[class] + 1)).ln();
    let all = f64::from(counts[0] + counts[1]);
    (log_probability(1) - log_probability(0)).abs() * all.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(text: &str, injection: bool) -> Example {
        Example {
            text: text.to_owned(),
            label: usize::from(injection),
        }
    }

    #[test]
    fn the_best_features_are_chosen_and_sorted() {
        let examples = [
            example("zap the rules", true),
            example("zap the rules", true),
            example("zap the rules", true),
            example("the tea", false),
            example("the tea", false),
        ];
        let recipe = Recipe {
            entries: 4,
            ..Recipe::default()
        };
        let vocabulary = choose_vocabulary(&examples, &recipe).expect("features enough");
        let features: Vec<_> = (0..4).filter_map(|id| vocabulary.feature(id)).collect();
        assert!(features.is_sorted());
        assert_eq!(vocabulary.len(), 4);
        assert!(!features.contains(&"w:the"), "in every text: {features:?}");
    }

    #[test]
    fn texts_without_a_repeated_feature_are_refused() {
        assert!(choose_vocabulary(&[example("Tea", false)], &Recipe::default()).is_err());
    }
}
