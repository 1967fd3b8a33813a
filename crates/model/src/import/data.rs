//! Texts to calibrate with and texts to measure on, and the vocabulary they are spelled with.

use std::collections::HashSet;
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
    /// How many of the calibration file are among those to measure on, and so were left out.
    pub(super) shared: usize,
}

impl<T> Split<T> {
    /// The calibration file without what is in the one to measure on; if there is no such file, a hash of each text says which part it is in.
    ///
    /// # Errors
    /// Files that cannot be used, or an empty part.
    pub(super) fn new(
        import: &Import<'_>,
        load: impl Fn(&Path) -> Result<Vec<T>, ModelError>,
        text: impl Fn(&T) -> &str,
    ) -> Result<Self, ModelError> {
        let all = load(import.calibrate)?;
        let count = all.len();
        let split = match import.evaluate {
            Some(path) => {
                let measure = load(path)?;
                let calibrate = without(all, &measure, &text);
                Self {
                    shared: count - calibrate.len(),
                    calibrate,
                    measure,
                }
            }
            None => {
                let parts = all
                    .into_iter()
                    .partition(|one| !hash(text(one)).is_multiple_of(PARTS));
                Self {
                    calibrate: parts.0,
                    measure: parts.1,
                    shared: 0,
                }
            }
        };
        if split.shared == count {
            let reason = "all its texts are also in the file to measure on, and what is measured on is not calibrated with; \
                          name another file with --evaluate, or none";
            return Err(data::refuse(import.calibrate, None, reason));
        }
        if split.calibrate.is_empty() || split.measure.is_empty() {
            let reason = "there are too few texts to calibrate with some and to measure on others; add some, or name a \
                          file to measure on with --evaluate";
            return Err(data::refuse(import.calibrate, None, reason));
        }
        Ok(split)
    }
}

/// Those of `all` that are none of these.
fn without<T>(all: Vec<T>, these: &[T], text: impl Fn(&T) -> &str) -> Vec<T> {
    let these: HashSet<&str> = these.iter().map(&text).collect();
    let others = all.into_iter().filter(|one| !these.contains(text(one)));
    others.collect()
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
