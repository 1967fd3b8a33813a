//! What no formula says: caps, resolutions and grids are chosen by making circuits and looking at what they predict.

use candle_core::{DType, Tensor};
use cipherformer_circuit::Plain;
use indicatif::ProgressBar;

use super::Maker;
use super::calibrate::{ranges, steps};
use super::load::Float;
use crate::decoder::{Batch, END, Flow, Form, Numbers, Numerics, Parameters, Ranges, measure};
use crate::error::ModelError;
use crate::import::error::ImportError;
use crate::progress;
use crate::texts::bags;

/// Largest sums of exponentials to try: finer ones need a larger modulus, whose noise costs more at some point than rounding
/// does.
const SUMS: [f64; 4] = [54.0, 27.0, 108.0, 200.0];

/// Largest integers of queries, keys and values to try, where the specification has none; for the same reason.
const LIMITS: [[u8; 3]; 4] = [[7, 7, 4], [5, 5, 3], [10, 10, 6], [7, 7, 7]];

/// Parts of the model's cap to try: a lower one bends scores, and leaves noise less of their exponentials' range.
const PARTS: [f64; 4] = [1.0, 0.8, 0.6, 0.4];

/// Caps to try, in units of the largest score, where the model has none.
const CAPS: [f64; 5] = [0.6, 0.4, 0.25, 0.9, 1.4];

/// Choices are tried on so many texts at most.
const TRIAL: usize = 96;

/// What is chosen by trying: circuits are made and evaluated with simulated noise.
#[derive(Clone, Copy)]
pub(super) struct Choice {
    /// Largest sum of exponentials.
    sum: f64,
    /// Part of the model's cap, or of its largest score.
    cap: f64,
    /// Largest integers of queries, keys and values.
    limits: [u8; 3],
}

pub(super) struct Search<'a> {
    float: &'a Float,
    /// Balanced.
    parameters: &'a Parameters,
    /// Queries, keys and values of each layer.
    projections: &'a [[Tensor; 3]],
    /// The largest of each layer.
    scores: &'a [f64],
    texts: Vec<Vec<u8>>,
    /// The float model's, of every row of the texts.
    logits: Vec<Vec<f64>>,
    maker: &'a Maker,
}

impl<'a> Search<'a> {
    /// For this model and its largest scores, on some of these texts.
    pub(super) fn new(
        float: &'a Float,
        (parameters, projections): (&'a Parameters, &'a [[Tensor; 3]]),
        scores: &'a [f64],
        texts: &[Vec<u8>],
        maker: &'a Maker,
    ) -> Result<Self, ModelError> {
        let texts = texts.iter().step_by(texts.len().div_ceil(TRIAL)).cloned();
        let texts: Vec<Vec<u8>> = texts.collect();
        Ok(Self {
            logits: logits(float, &texts)?,
            float,
            parameters,
            projections,
            scores,
            texts,
            maker,
        })
    }

    /// One choice after the other, each the best given those before.
    ///
    /// # Errors
    /// There is no choice with which there is a circuit; the first one's error.
    pub(super) fn best(&self) -> Result<Choice, ModelError> {
        let caps = match self.float.numerics.cap.iter().all(Option::is_some) {
            true => &PARTS[..],
            false => &CAPS[..],
        };
        let fixed = self.float.limits.iter().all(Option::is_some);
        let limits = if fixed { &LIMITS[..1] } else { &LIMITS[..] };
        let first = Choice {
            sum: SUMS[0],
            cap: caps[0],
            limits: LIMITS[0],
        };
        let all = caps.len() + SUMS.len() + limits.len() - 2;
        let bar = progress::bar("calibrating", all);
        let mut best = Tried::new(self, first, &bar);
        for &cap in &caps[1..] {
            best = best.or(self, |choice| choice.cap = cap, &bar);
        }
        for &sum in &SUMS[1..] {
            best = best.or(self, |choice| choice.sum = sum, &bar);
        }
        for &limits in &limits[1..] {
            best = best.or(self, |choice| choice.limits = limits, &bar);
        }
        bar.finish_and_clear();
        best.divergence.map(|_| best.choice)
    }

    /// How far the circuit's predictions, noise simulated, are from the float model's: the mean divergence (Kullback and
    /// Leibler), in nats a token. What comes next in the texts does not matter, so any texts of the right kind will do.
    fn divergence(&self, choice: &Choice) -> Result<f64, ModelError> {
        let (numerics, first) = ranges(self.parameters, &self.texts, self.numerics(choice)?)?;
        let seen = measure(
            self.parameters,
            &self.texts,
            &numerics,
            &first,
            Numbers::Exact,
        )?
        .seen;
        let circuit = self.maker.build(self.parameters, &numerics, &seen)?.scores;
        let mut engine = Plain::simulate(0);
        let (mut sum, mut expected) = (0.0, self.logits.iter());
        for text in &self.texts {
            let letters = text.iter().map(|&letter| usize::from(letter));
            let tokens: Vec<usize> = [usize::from(END)].into_iter().chain(letters).collect();
            let logits = engine.outputs(&circuit, &bags(&tokens))?;
            sum += logits
                .iter()
                .zip(&mut expected)
                .map(|(got, expected)| divergence(expected, got))
                .sum::<f64>();
        }
        match sum.is_finite() {
            true => Ok(sum / self.logits.len() as f64),
            false => Err(ImportError::Predictions { model: "circuit" }.into()),
        }
    }

    /// Grids and caps; resolution and floors come with the ranges.
    pub(super) fn numerics(&self, choice: &Choice) -> Result<Numerics, ModelError> {
        let float = &self.float.numerics;
        let own = self.float.limits.iter();
        let limits: Vec<[u8; 3]> = own.map(|own| own.unwrap_or(choice.limits)).collect();
        Ok(Numerics {
            form: Form::Circuit,
            cap: caps(&float.cap, self.scores, choice.cap),
            // For `ranges`, which makes it the resolution at which the largest sum is this.
            gain: vec![choice.sum; float.gain.len()],
            steps: steps(self.projections, &limits)?,
            limits,
            ..float.clone()
        })
    }
}

/// The cap of each layer: this part of the model's own, if there is one, or of its largest score.
fn caps(own: &[Option<f64>], scores: &[f64], part: f64) -> Vec<Option<f64>> {
    let caps = own.iter().zip(scores);
    caps.map(|(own, score)| {
        Some(match own {
            // More than the model's would bend nothing less.
            Some(cap) => cap * part.min(1.0),
            None => score * part,
        })
    })
    .collect()
}

/// A choice, and how far its circuit is from the float model.
struct Tried {
    choice: Choice,
    divergence: Result<f64, ModelError>,
}

impl Tried {
    fn new(search: &Search<'_>, choice: Choice, bar: &ProgressBar) -> Self {
        let divergence = search.divergence(&choice);
        bar.inc(1);
        Self { choice, divergence }
    }

    /// The better of this and one that differs in something; any circuit is better than an error.
    fn or(self, search: &Search<'_>, change: impl Fn(&mut Choice), bar: &ProgressBar) -> Self {
        let mut choice = self.choice;
        change(&mut choice);
        let other = Self::new(search, choice, bar);
        let better = match (&other.divergence, &self.divergence) {
            (Ok(new), Ok(old)) => new < old,
            (Ok(_), Err(_)) => true,
            (Err(_), _) => false,
        };
        if better { other } else { self }
    }
}

/// What the float model makes of texts: a row for every position of each.
fn logits(float: &Float, texts: &[Vec<u8>]) -> Result<Vec<Vec<f64>>, ModelError> {
    let batch = Batch::new(texts, float.parameters.vocabulary()?)?;
    let nothing = Ranges::default();
    let mut flow = Flow::new(&float.numerics, &nothing)?;
    flow.quantized = false;
    let logits = float.parameters.logits(&batch, &mut flow)?;
    Ok(logits.to_dtype(DType::F64)?.to_vec2()?)
}

/// Of the second prediction from the first, in nats.
fn divergence(expected: &[f64], got: &[f64]) -> f64 {
    let log_sum = |logits: &[f64]| {
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        largest + logits.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
    };
    let (of_expected, of_got) = (log_sum(expected), log_sum(got));
    let pairs = expected.iter().zip(got);
    pairs
        .map(|(e, g)| (e - of_expected).exp() * ((e - of_expected) - (g - of_got)))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cap_exceeds_the_models_own() {
        for part in PARTS.into_iter().chain(CAPS) {
            let caps = caps(&[Some(2.0), None], &[30.0, 5.0], part);
            assert!(caps[0].is_some_and(|cap| cap <= 2.0), "{part}: {caps:?}");
            assert_eq!(caps[1], Some(5.0 * part));
        }
    }

    #[test]
    fn divergence_is_of_distributions() {
        let (even, sure) = ([0.0, 0.0], [1e3, 0.0]);
        assert!(divergence(&even, &[5.0, 5.0]).abs() < 1e-12);
        assert!((divergence(&sure, &even) - 2f64.ln()).abs() < 1e-12);
        assert!(divergence(&even, &sure) > 100.0);
    }
}
