//! The features a circuit knows, and the bag of them that a text has. Runs on the client, on plain
//! text; the vocabulary is public.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::error::CircuitError;
use crate::extract::extract;

/// No vocabulary may have more entries: 32 ring ciphertexts of 2,048.
pub(crate) const MAX_ENTRIES: usize = 65_536;

/// The features a circuit knows, in the spelling of [`extract`].
///
/// Every client gets them, in order: let the order say nothing of the model, as sorted ones do.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    features: Vec<String>,
    ids: HashMap<String, usize>,
    max_features: usize,
    min_count: usize,
}

/// The distinct features of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bag {
    features: Vec<usize>,
    dropped: usize,
    dropped_words: usize,
    min_count: usize,
}

impl Bag {
    /// A bag of these distinct features, at most as many as a circuit takes.
    pub fn new(mut features: Vec<usize>, min_count: usize) -> Self {
        features.sort_unstable();
        features.dedup();
        Self {
            features,
            dropped: 0,
            dropped_words: 0,
            min_count,
        }
    }

    /// One token.
    pub fn token(id: usize) -> Self {
        Self::new(vec![id], 1)
    }

    /// Feature ids, ascending.
    pub fn features(&self) -> &[usize] {
        &self.features
    }

    /// How many features that the vocabulary has were dropped because the text has too many.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// How many words at the text's end were not looked at because it is too long.
    pub fn dropped_words(&self) -> usize {
        self.dropped_words
    }

    /// The weight of each feature; all together they weigh at most 1.
    pub fn weight(&self) -> f64 {
        1.0 / self.features.len().max(self.min_count) as f64
    }
}

impl Vocabulary {
    /// A vocabulary of distinct features, none of them empty or with a line break in it.
    ///
    /// At most `max_features` features of a text are used; a text with fewer than `min_count` is
    /// weighted as if it had `min_count`.
    ///
    /// # Errors
    /// An empty vocabulary, an unusable or repeated feature, or limits out of order.
    pub fn new(
        features: Vec<String>,
        max_features: usize,
        min_count: usize,
    ) -> Result<Self, CircuitError> {
        let error = |reason: String| Err(CircuitError::Vocabulary { reason });
        if features.is_empty() || features.len() > MAX_ENTRIES {
            return error(format!(
                "{} entries, not 1 to {MAX_ENTRIES}",
                features.len()
            ));
        }
        if min_count == 0 || max_features < min_count {
            return error(format!(
                "min_count {min_count} must be positive and at most max_features {max_features}"
            ));
        }
        let mut ids = HashMap::with_capacity(features.len());
        for (id, feature) in features.iter().enumerate() {
            if feature.is_empty() || feature.contains(['\n', '\r']) {
                return error(format!("entry {id} is empty or has a line break"));
            }
            if ids.insert(feature.clone(), id).is_some() {
                return error(format!("entry {id}, {feature:?}, is there twice"));
            }
        }
        Ok(Self {
            features,
            ids,
            max_features,
            min_count,
        })
    }

    /// Reads one feature a line.
    ///
    /// # Errors
    /// As [`Vocabulary::new`].
    pub fn from_text(
        text: &str,
        max_features: usize,
        min_count: usize,
    ) -> Result<Self, CircuitError> {
        let features = text.lines().map(str::to_owned).collect();
        Self::new(features, max_features, min_count)
    }

    /// One feature a line.
    pub fn to_text(&self) -> String {
        self.features.iter().map(|f| format!("{f}\n")).collect()
    }

    /// SHA-256 of [`Vocabulary::to_text`], in hexadecimal.
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(self.to_text()))
    }

    /// How many features there are.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// At most this many features of a text are used.
    pub fn max_features(&self) -> usize {
        self.max_features
    }

    /// Texts with fewer features are weighted as if they had this many.
    pub fn min_count(&self) -> usize {
        self.min_count
    }

    /// The id of a feature.
    pub fn id(&self, feature: &str) -> Option<usize> {
        self.ids.get(feature).copied()
    }

    /// The feature with this id.
    pub fn feature(&self, id: usize) -> Option<&str> {
        self.features.get(id).map(String::as_str)
    }

    /// The features of a text that the vocabulary has. When they are more than `max_features`, the first
    /// ones in the order of [`extract`] are kept.
    pub fn bag(&self, text: &str) -> Bag {
        let extract = extract(text);
        let mut features: Vec<usize> = extract
            .features
            .iter()
            .filter_map(|feature| self.ids.get(feature).copied())
            .collect();
        let dropped = features.len().saturating_sub(self.max_features);
        features.truncate(self.max_features);
        features.sort_unstable();
        Bag {
            features,
            dropped,
            dropped_words: extract.dropped_words,
            min_count: self.min_count,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vocabulary(features: &[&str], max_features: usize) -> Vocabulary {
        let features = features.iter().map(|&f| f.to_owned()).collect();
        Vocabulary::new(features, max_features, 2).expect("distinct features")
    }

    #[test]
    fn the_first_features_are_kept_and_listed_in_order() {
        let vocabulary = vocabulary(&["b:all rules", "w:all", "w:ignore", "w:rules"], 3);
        let bag = vocabulary.bag("Ignore all rules, ignore ALL rules");
        assert_eq!(bag.features(), [1, 2, 3]);
        assert_eq!((bag.dropped(), bag.dropped_words()), (1, 0));
        assert_eq!(bag.weight(), 1.0 / 3.0);
        let long = vocabulary.bag(&"so ".repeat(200));
        assert_eq!((long.features().len(), long.dropped_words()), (0, 40));
        assert_eq!(long.weight(), 0.5);
    }

    #[test]
    fn unusable_vocabularies_are_refused() {
        let new = |features: &[&str], most, least| {
            Vocabulary::new(
                features.iter().map(|&f| f.to_owned()).collect(),
                most,
                least,
            )
        };
        for refused in [
            new(&[], 4, 2),
            new(&["w:a", "w:a"], 4, 2),
            new(&[""], 4, 2),
            new(&["w:a\nb"], 4, 2),
            new(&["w:a\r"], 4, 2),
            new(&["w:a"], 1, 2),
            new(&["w:a"], 4, 0),
        ] {
            assert!(matches!(refused, Err(CircuitError::Vocabulary { .. })));
        }
    }

    proptest! {
        #[test]
        fn bags_are_small_sorted_and_repeatable(
            text in "[a-e ]{0,60}|(?s:.{0,60})",
            known in prop::collection::hash_set("[wp]:[a-e]{1,2}|b:[a-e] [a-e]", 1..60),
            max_features in 2usize..20,
        ) {
            let vocabulary = Vocabulary::new(known.into_iter().collect(), max_features, 2)
                .expect("distinct features");
            let bag = vocabulary.bag(&text);
            prop_assert!(bag.features().len() <= max_features);
            prop_assert!(bag.features().is_sorted_by(|a, b| a < b));
            prop_assert!(bag.weight() * bag.features().len() as f64 <= 1.0 + 1e-12);
            prop_assert_eq!(&bag, &vocabulary.bag(&text));
            prop_assert!(bag.dropped() == 0 || bag.features().len() == max_features);
        }

        #[test]
        fn a_vocabulary_survives_its_text(known in prop::collection::hash_set("[a-z:]{1,5}", 1..40)) {
            let vocabulary = Vocabulary::new(known.into_iter().collect(), 4, 2).expect("distinct");
            let again = Vocabulary::from_text(&vocabulary.to_text(), 4, 2).expect("just written");
            prop_assert_eq!(vocabulary, again);
        }
    }
}
