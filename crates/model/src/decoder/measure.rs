//! How well a model predicts texts.

use candle_core::D;
use candle_nn::loss::cross_entropy;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::batch::Batch;
use super::flow::{Flow, Record};
use super::model::Parameters;
use super::numerics::Numerics;
use super::ranges::Ranges;
use crate::error::ModelError;

/// Texts evaluated at once, at most.
const CHUNK: usize = 256;

/// Numbers of one tensor over all pairs of positions evaluated at once, at most: 64 MB of them.
const VALUES: usize = 1 << 24;

/// What came out over all rows of some texts.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// How many texts.
    pub(crate) texts: usize,
    /// Mean cross-entropy.
    pub(crate) loss: f64,
    /// The most likely token of each row.
    pub(crate) best: Vec<u32>,
    /// Of all values.
    pub(crate) seen: Ranges,
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

/// Evaluates texts, as tokens without end marks.
pub(crate) fn measure(
    parameters: &Parameters,
    texts: &[Vec<u8>],
    numerics: &Numerics,
    ranges: &Ranges,
    numbers: Numbers,
) -> Result<Outcome, ModelError> {
    pass(parameters, texts, (numerics, ranges), numbers, &mut None)
}

/// The same, keeping what those need who choose grids and report on weights.
pub(crate) fn measure_closely(
    parameters: &Parameters,
    texts: &[Vec<u8>],
    numerics: &Numerics,
    ranges: &Ranges,
    numbers: Numbers,
) -> Result<(Outcome, Record), ModelError> {
    let mut record = Some(Record::default());
    let outcome = pass(parameters, texts, (numerics, ranges), numbers, &mut record)?;
    Ok((outcome, record.unwrap_or_default()))
}

fn pass(
    parameters: &Parameters,
    texts: &[Vec<u8>],
    (numerics, ranges): (&Numerics, &Ranges),
    numbers: Numbers,
    record: &mut Option<Record>,
) -> Result<Outcome, ModelError> {
    let mut random = match numbers {
        Numbers::Noisy(seed) => Some(StdRng::seed_from_u64(seed)),
        _ => None,
    };
    let vocabulary = parameters.vocabulary()?;
    let (mut sum, mut best, mut seen) = (0.0, Vec::new(), Ranges::default());
    for chunk in chunks(texts, parameters.token.dim(1)?) {
        let batch = Batch::new(chunk, vocabulary)?;
        let mut flow = Flow::new(numerics, ranges)?;
        flow.quantized = numbers != Numbers::Float;
        flow.noise = random.as_mut();
        flow.seen = seen;
        flow.record = record.take();
        let logits = parameters.logits(&batch, &mut flow)?;
        seen = flow.seen;
        *record = flow.record;
        if let Some(record) = record {
            record.has_weights = true;
        }
        let loss: f32 = cross_entropy(&logits, &batch.target)?.to_scalar()?;
        sum += f64::from(loss) * batch.rows() as f64;
        best.extend(logits.argmax(D::Minus1)?.to_vec1::<u32>()?);
    }
    let loss = sum / best.len() as f64;
    Ok(Outcome {
        texts: texts.len(),
        loss,
        best,
        seen,
    })
}

/// Texts that are evaluated at once: as many as memory is there for, as every position looks at all before it and the model is
/// this wide.
fn chunks(texts: &[Vec<u8>], width: usize) -> impl Iterator<Item = &[Vec<u8>]> {
    let mut rest = texts;
    std::iter::from_fn(move || {
        let mut pairs = 0;
        let fits = rest.iter().take(CHUNK).take_while(|text| {
            pairs += (text.len() + 1).pow(2);
            pairs * width <= VALUES
        });
        // One text is always taken, however long it is.
        let count = fits.count().max(1).min(rest.len());
        let (chunk, others) = rest.split_at(count);
        rest = others;
        (!chunk.is_empty()).then_some(chunk)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_limited_and_leave_nothing_out() {
        let texts = |lengths: &[usize]| -> Vec<Vec<u8>> {
            lengths.iter().map(|&length| vec![1; length]).collect()
        };
        let sizes = |texts: &[Vec<u8>]| chunks(texts, 32).map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(&texts(&[3; 600])), [256, 256, 88]);
        // 500 positions make a quarter of a million pairs.
        assert_eq!(sizes(&texts(&[499; 5])), [2, 2, 1]);
        assert_eq!(sizes(&texts(&[9999, 9999])), [1, 1]);
        assert_eq!(sizes(&[]), [0; 0]);
    }
}
