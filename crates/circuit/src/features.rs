//! From text to a bag of features. Runs on the client, on plain text; the vocabulary is public.

use std::collections::{BTreeSet, HashMap};

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::digest::hex;
use crate::error::CircuitError;

/// No vocabulary may have more entries: 32 ring ciphertexts of 2,048.
const MAX_ENTRIES: usize = 65_536;

/// The features a circuit knows: words, and pairs of neighbouring words joined by a space.
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
            min_count,
        }
    }

    /// Feature ids, ascending.
    pub fn features(&self) -> &[usize] {
        &self.features
    }

    /// How many features of the text were dropped because it has too many.
    pub fn dropped(&self) -> usize {
        self.dropped
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
            if feature.is_empty() || feature.contains('\n') {
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

    /// The feature with this id.
    pub fn feature(&self, id: usize) -> Option<&str> {
        self.features.get(id).map(String::as_str)
    }

    /// The features of a text that the vocabulary has, in the order of the text; those past
    /// `max_features` are dropped, that is, the end of a long text is not looked at.
    pub fn bag(&self, text: &str) -> Bag {
        let mut kept = BTreeSet::new();
        let mut dropped = BTreeSet::new();
        for id in extract(text).filter_map(|feature| self.ids.get(&feature).copied()) {
            if kept.contains(&id) {
                continue;
            }
            if kept.len() < self.max_features {
                kept.insert(id);
            } else {
                dropped.insert(id);
            }
        }
        Bag {
            features: kept.into_iter().collect(),
            dropped: dropped.len(),
            min_count: self.min_count,
        }
    }
}

/// Every feature of a text, in order, repeats included: words and pairs of neighbouring words.
///
/// Letters are lower-cased and stripped of accents (NFKD), so that "Ignoré" and "ignore" agree; every
/// other sign that is not white space is a word of its own.
pub fn extract(text: &str) -> impl Iterator<Item = String> {
    let words = words(text);
    let mut features = Vec::with_capacity(2 * words.len());
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            features.push(format!("{} {word}", words[index - 1]));
        }
        features.push(word.clone());
    }
    features.into_iter()
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let plain = text.nfkd().filter(|c| !is_combining_mark(*c));
    for c in plain.flat_map(char::to_lowercase) {
        let c = if c == '\u{2019}' { '\'' } else { c };
        if c.is_alphanumeric() {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if !c.is_whitespace() && !c.is_control() {
            words.push(c.to_string());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
