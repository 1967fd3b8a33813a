//! How good a model of names is.

use candle_core::D;
use candle_nn::loss::cross_entropy;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;

use super::data::{Batch, Names};
use super::flow::{Flow, Ranges};
use super::model::Parameters;
use super::recipe::NamesRecipe;
use crate::error::ModelError;

/// Names evaluated at once.
const CHUNK: usize = 256;

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
            names: exact.names,
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

/// What came out over all rows of some names.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// How many names.
    pub(crate) names: usize,
    /// Mean cross-entropy.
    pub(crate) loss: f64,
    /// The most likely token of each row.
    pub(crate) best: Vec<u32>,
    /// Of all values.
    pub(crate) seen: Ranges,
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
        recipe: &NamesRecipe,
        ranges: &Ranges,
        numbers: Numbers,
    ) -> Result<Self, ModelError> {
        let of = |part: &[Vec<u8>]| measure(parameters, part, recipe, ranges, numbers);
        Ok(Self {
            validation: of(&names.validation)?,
            test: of(&names.test)?,
        })
    }
}

/// How values are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Real.
    Float,
    /// Rounded.
    Exact,
    /// Rounded, with noise from this seed.
    Noisy(u64),
}

/// Evaluates names.
pub(crate) fn measure(
    parameters: &Parameters,
    names: &[Vec<u8>],
    recipe: &NamesRecipe,
    ranges: &Ranges,
    numbers: Numbers,
) -> Result<Outcome, ModelError> {
    let mut random = match numbers {
        Numbers::Noisy(seed) => Some(StdRng::seed_from_u64(seed)),
        _ => None,
    };
    let (mut sum, mut best, mut seen) = (0.0, Vec::new(), Ranges::empty());
    for chunk in names.chunks(CHUNK) {
        let batch = Batch::new(chunk)?;
        let mut flow = Flow::new(recipe, ranges)?;
        flow.quantized = numbers != Numbers::Float;
        flow.noise = random.as_mut();
        flow.seen = seen;
        let logits = parameters.logits(&batch, &mut flow)?;
        seen = flow.seen;
        let loss: f32 = cross_entropy(&logits, &batch.target)?.to_scalar()?;
        sum += f64::from(loss) * batch.rows() as f64;
        best.extend(logits.argmax(D::Minus1)?.to_vec1::<u32>()?);
    }
    let loss = sum / best.len() as f64;
    Ok(Outcome {
        names: names.len(),
        loss,
        best,
        seen,
    })
}

/// Part of the rows with the same most likely token.
pub(crate) fn agreement(one: &Outcome, other: &Outcome) -> f64 {
    let same = one
        .best
        .iter()
        .zip(&other.best)
        .filter(|(a, b)| a == b)
        .count();
    same as f64 / one.best.len() as f64
}
