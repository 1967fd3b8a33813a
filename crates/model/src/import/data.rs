//! Texts to calibrate with and texts to measure on, and the vocabulary they are spelled with.

use std::fs;
use std::path::Path;

use cipherformer_circuit::Vocabulary;

use super::Import;
use super::spec::{beside, refuse};
use crate::data::{self, hash};
use crate::error::ModelError;

/// One of so many texts is kept apart to measure on, if no other file is given.
const PARTS: u64 = 5;

/// Texts in two parts that share none.
pub(super) struct Split<T> {
    /// Ranges come from these.
    pub(super) calibrate: Vec<T>,
    /// Figures come from these.
    pub(super) measure: Vec<T>,
}

impl<T> Split<T> {
    /// The calibration file, and the one to measure on if there is one; else a hash of each text says which part it is in.
    ///
    /// # Errors
    /// Files that cannot be used, or an empty part.
    pub(super) fn new(
        import: &Import<'_>,
        load: impl Fn(&Path) -> Result<Vec<T>, ModelError>,
        text: impl Fn(&T) -> &str,
    ) -> Result<Self, ModelError> {
        let all = load(import.calibrate)?;
        let (calibrate, measure) = match import.evaluate {
            Some(path) => (all, load(path)?),
            None => all
                .into_iter()
                .partition(|one| !hash(text(one)).is_multiple_of(PARTS)),
        };
        let split = Self { calibrate, measure };
        if split.calibrate.is_empty() || split.measure.is_empty() {
            let reason = "there are too few texts to calibrate with some and to measure on others; add some, or name a \
                          file to measure on with --evaluate";
            return Err(data::refuse(import.calibrate, None, reason));
        }
        Ok(split)
    }
}

/// The vocabulary that a specification names.
///
/// # Errors
/// A file that is missing, or is no vocabulary.
pub(super) fn vocabulary(
    spec: &Path,
    file: &Path,
    max_features: usize,
    min_count: usize,
) -> Result<Vocabulary, ModelError> {
    let path = beside(spec, file);
    let text = fs::read_to_string(&path).map_err(|source| ModelError::File {
        action: "read",
        path: path.clone(),
        source,
    })?;
    Vocabulary::from_text(&text, max_features, min_count)
        .map_err(|error| refuse(&path, error.to_string()).into())
}
