//! Grids and ranges of a model that was trained without them.

use candle_core::Tensor;
use cipherformer_circuit::transformer::MARGIN;

use super::load::Float;
use super::search::Search;
use super::{Maker, seen};
use crate::decoder::{
    Numbers, Numerics, Parameters, Ranges, Record, Site, measure, measure_closely,
};
use crate::error::ModelError;
use crate::import::error::ImportError;
use crate::import::spec::TransformerSpec;

/// Sums and means of squares are told apart down to this part of the largest: less is noise.
const FLOOR: f64 = 1.0 / 64.0;

/// How much of the values is looked at to choose a step.
const SAMPLES: usize = 1 << 15;

/// Steps to try, in units of the one at which nothing is cut.
const STEPS: std::ops::RangeInclusive<u32> = 4..=20;

/// No channel is scaled by more.
const LARGEST_BALANCE: f32 = 8.0;

/// A model that is ready to be exported.
pub(super) struct Calibrated {
    /// Channels of queries, keys and values are balanced.
    pub(super) parameters: Parameters,
    pub(super) numerics: Numerics,
    pub(super) ranges: Ranges,
    /// What the pass that the ranges come from did to weights.
    pub(super) record: Record,
}

impl Calibrated {
    /// Calibrates on texts, as tokens without end marks.
    ///
    /// # Errors
    /// Values that no circuit has ranges for, or no choice with which there is a circuit.
    pub(super) fn new(
        spec: &TransformerSpec,
        float: &Float,
        texts: &[Vec<u8>],
        maker: &Maker,
    ) -> Result<Self, ModelError> {
        let nothing = Ranges::default();
        let (outcome, record) = measure_closely(
            &float.parameters,
            texts,
            &float.numerics,
            &nothing,
            Numbers::Float,
        )?;
        let scores = seen::scores(float, &outcome.seen)?;
        seen::check(spec, &outcome)?;
        let mut projections = joined(&record)?;
        let mut parameters = float.parameters.clone();
        balance(&mut parameters, &mut projections)?;
        let search = Search::new(float, (&parameters, &projections), &scores, texts, maker)?;
        let numerics = search.numerics(&search.best()?)?;
        let (numerics, first) = ranges(&parameters, texts, numerics)?;
        let (outcome, record) =
            measure_closely(&parameters, texts, &numerics, &first, Numbers::Exact)?;
        if !outcome.loss.is_finite() {
            return Err(ImportError::Predictions { model: "circuit" }.into());
        }
        Ok(Self {
            parameters,
            numerics,
            ranges: outcome.seen,
            record,
        })
    }

    /// Of all layers.
    pub(super) fn largest_cap(&self) -> f64 {
        self.numerics
            .cap
            .iter()
            .flatten()
            .copied()
            .fold(0.0, f64::max)
    }
}

/// Resolution, floors and ranges of these grids and caps, from a pass without rounding. The gains that come in are the largest
/// sums there should be.
pub(super) fn ranges(
    parameters: &Parameters,
    texts: &[Vec<u8>],
    mut numerics: Numerics,
) -> Result<(Numerics, Ranges), ModelError> {
    let layers = parameters.blocks.len();
    let sums = std::mem::replace(&mut numerics.gain, vec![1.0; layers]);
    numerics.floor = vec![0.0; layers];
    numerics.norm_floor = vec![0.0; layers];
    let nothing = Ranges::default();
    let mut ranges = measure(parameters, texts, &numerics, &nothing, Numbers::Float)?.seen;
    for (layer, sum) in sums.into_iter().enumerate() {
        let (low, high) = ranges.both(Site::Mean(layer));
        let gain = sum / high;
        numerics.gain[layer] = gain;
        numerics.floor[layer] = floor(low, high);
        for site in [Site::Mean(layer), Site::Mix(layer)] {
            let (low, high) = ranges.both(site);
            ranges.set(site, (low * gain, high * gain));
        }
        if layer > 0 {
            let (low, high) = ranges.both(Site::MeanSquare(layer));
            numerics.norm_floor[layer] = floor(low, high);
        }
    }
    Ok((numerics, ranges))
}

fn floor(low: f64, high: f64) -> f64 {
    (low / MARGIN).max(high * FLOOR)
}

/// Queries, keys and values of each layer, all rows of all texts.
fn joined(record: &Record) -> Result<Vec<[Tensor; 3]>, ModelError> {
    let join = |parts: &Vec<Tensor>| Tensor::cat(parts, 0);
    let layer = |[query, key, value]: &[Vec<Tensor>; 3]| -> Result<_, ModelError> {
        Ok([join(query)?, join(key)?, join(value)?])
    };
    record.projections.iter().map(layer).collect()
}

/// Gives every channel of the values, and of queries and keys together, the part of its grid that it can use: a factor in
/// one matrix, its inverse in the other. Without rounding this changes nothing; with it, each channel has a step of its own.
fn balance(parameters: &mut Parameters, projections: &mut [[Tensor; 3]]) -> Result<(), ModelError> {
    for (block, [query, key, value]) in parameters.blocks.iter_mut().zip(projections) {
        let (of_query, of_key, of_value) = (spread(query)?, spread(key)?, spread(value)?);
        let pairs = of_query.iter().zip(&of_key);
        let to_query = factors(pairs.map(|(q, k)| (k / q).sqrt()));
        let mean = of_value.iter().sum::<f32>() / of_value.len() as f32;
        let to_value = factors(of_value.iter().map(|v| mean / v));
        let inverse = |factors: &[f32]| factors.iter().map(|f| 1.0 / f).collect::<Vec<f32>>();
        let [w_query, w_key, w_value] = &mut block.projections;
        for (matrix, values, factors) in [
            (w_query, query, to_query.clone()),
            (w_key, key, inverse(&to_query)),
            (w_value, value, to_value.clone()),
        ] {
            let factors = Tensor::new(factors, matrix.device())?;
            *matrix = matrix.broadcast_mul(&factors.unsqueeze(1)?)?;
            *values = values.broadcast_mul(&factors)?;
        }
        let factors = Tensor::new(inverse(&to_value), block.output.device())?;
        block.output = block.output.broadcast_mul(&factors)?;
    }
    Ok(())
}

/// Root mean square of every column.
fn spread(values: &Tensor) -> Result<Vec<f32>, ModelError> {
    Ok(values.sqr()?.mean(0)?.sqrt()?.to_vec1()?)
}

/// Factors that are numbers, and not out of all proportion.
fn factors(factors: impl Iterator<Item = f32>) -> Vec<f32> {
    let sane = |factor: f32| match factor.is_finite() {
        true => factor.clamp(1.0 / LARGEST_BALANCE, LARGEST_BALANCE),
        false => 1.0,
    };
    factors.map(sane).collect()
}

/// The steps at which rounding moves queries, keys and values least, in the mean of squares.
pub(super) fn steps(
    projections: &[[Tensor; 3]],
    limits: &[[u8; 3]],
) -> Result<Vec<[f64; 3]>, ModelError> {
    let layers = projections.iter().zip(limits);
    layers
        .map(|(values, limits)| {
            let step = |which: usize| step(&values[which], limits[which]);
            Ok([step(0)?, step(1)?, step(2)?])
        })
        .collect()
}

fn step(values: &Tensor, limit: u8) -> Result<f64, ModelError> {
    let all: Vec<f32> = values.flatten_all()?.to_vec1()?;
    let stride = all.len().div_ceil(SAMPLES).max(1);
    let samples: Vec<f64> = all.iter().step_by(stride).map(|&x| f64::from(x)).collect();
    let largest = samples.iter().fold(0f64, |largest, x| largest.max(x.abs()));
    if largest == 0.0 {
        return Ok(1.0);
    }
    let limit = f64::from(limit);
    let error = |step: f64| -> f64 {
        let rounded = |x: f64| (x / step).round().clamp(-limit, limit) * step;
        samples.iter().map(|&x| (x - rounded(x)).powi(2)).sum()
    };
    let whole = largest / limit;
    let steps = STEPS.map(|part| whole * f64::from(part) / f64::from(*STEPS.end()));
    let best = steps.min_by(|a, b| error(*a).total_cmp(&error(*b)));
    Ok(best.expect("there are steps to try"))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    /// Of evenly spread values nothing should be cut; of a bell curve's, the tails (2.7 of 3.5 standard deviations).
    #[test]
    fn steps_follow_the_distribution() {
        let part_of_largest = |values: Vec<f32>| {
            let largest = values.iter().fold(0f32, |largest, x| largest.max(x.abs()));
            let values = Tensor::new(values, &Device::Cpu).expect("a vector");
            7.0 * step(&values, 7).expect("numbers") / f64::from(largest)
        };
        let even: Vec<f32> = (-1000..=1000).map(|i| i as f32 / 1000.0).collect();
        let flat = part_of_largest(even);
        assert!((0.9..=1.0).contains(&flat), "{flat}");
        let mut random = StdRng::seed_from_u64(5);
        let bell = (0..4000).map(|_| StandardNormal.sample(&mut random));
        let bell = part_of_largest(bell.collect());
        assert!((0.6..0.9).contains(&bell), "{bell}");
        let zeros = Tensor::new(vec![0f32; 5], &Device::Cpu).expect("a vector");
        assert_eq!(step(&zeros, 7).expect("numbers"), 1.0);
    }

    #[test]
    fn factors_stay_in_proportion() {
        let all = factors([2.0, 1e9, 0.0, f32::NAN, f32::INFINITY].into_iter());
        assert_eq!(all, [2.0, 8.0, 0.125, 1.0, 1.0]);
    }
}
