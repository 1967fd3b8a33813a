//! How good a model of names is.

use serde::Serialize;

use super::data::Names;
use crate::decoder::{Numbers, Numerics, Outcome, Parameters, Ranges, agreement, measure};
use crate::error::ModelError;

/// Losses over names, in nats a character, end marks counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NamesLosses {
    /// How many names.
    pub names: usize,
    /// Before quantization.
    pub float: f64,
    /// Quantized.
    pub exact: f64,
    /// Quantized, with noise.
    pub noisy: f64,
    /// Part of the positions whose most likely character is the same with and without noise.
    pub agreement: f64,
}

impl NamesLosses {
    /// Of the same names, treated in three ways.
    pub(crate) fn new(float: &Outcome, exact: &Outcome, noisy: &Outcome) -> Self {
        Self {
            names: exact.texts,
            float: float.loss,
            exact: exact.loss,
            noisy: noisy.loss,
            agreement: agreement(noisy, exact),
        }
    }
}

/// How good a model is on names it was not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NamesFigures {
    /// How many names were trained on.
    pub train_names: usize,
    /// On names that choices were made with.
    pub validation: NamesLosses,
    /// On names that nothing was chosen with.
    pub test: NamesLosses,
}

/// The same for both parts that are not trained on.
#[derive(Clone, Debug)]
pub(crate) struct Outcomes {
    pub(crate) validation: Outcome,
    pub(crate) test: Outcome,
}

impl Outcomes {
    /// Evaluates both parts.
    pub(crate) fn new(
        parameters: &Parameters,
        names: &Names,
        numerics: &Numerics,
        ranges: &Ranges,
        numbers: Numbers,
    ) -> Result<Self, ModelError> {
        let of = |part: &[Vec<u8>]| measure(parameters, part, numerics, ranges, numbers);
        Ok(Self {
            validation: of(&names.validation)?,
            test: of(&names.test)?,
        })
    }
}
