//! What LUTs do to the values that pass through them: noise, cuts, and ranges to be kept.

use candle_core::{Device, Tensor};
use cipherformer_circuit::transformer::{MARGIN, SCALED_LEVELS, WEIGHT_LIMIT};
use rand::RngExt;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

use super::numerics::Numerics;
use super::ranges::{Ranges, Site};
use crate::error::ModelError;

/// Which values a LUT tells apart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Grid {
    /// All of them.
    Fine,
    /// [`SCALED_LEVELS`] either side of 0, over the range and its margin.
    Scaled,
    /// Multiples of a step up to a limit.
    Integers(f64, f64),
}

/// What is kept of a pass for those who choose grids and report on weights.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// Queries, keys and values before rounding, of each layer: a row a token.
    pub(crate) projections: Vec<[Vec<Tensor>; 3]>,
    /// Matrices that were rounded together, in the order of the first batch's pass: what for, the matrix, and what the integers
    /// stand for. Later batches round them alike.
    pub(crate) weights: Vec<Vec<(Site, Tensor, Tensor)>>,
    /// Whether the first batch has passed.
    pub(crate) has_weights: bool,
}

/// One pass through the model: what is done to the values, and what was seen of them.
#[derive(Debug)]
pub(crate) struct Flow<'a> {
    /// The numbers.
    pub(crate) numerics: &'a Numerics,
    /// Whether values and weights are rounded; without it, nothing is done to them.
    pub(crate) quantized: bool,
    /// Where noise and dropout come from, if any.
    pub(crate) noise: Option<&'a mut StdRng>,
    /// Part of the values that [`Flow::drop`] sets to 0.
    pub(crate) dropout: f64,
    /// What noise and grids are proportional to, and penalties are for exceeding.
    pub(crate) ranges: &'a Ranges,
    /// What came by, before noise.
    pub(crate) seen: Ranges,
    /// Sum of the squares of what exceeded the ranges.
    pub(crate) excess: Tensor,
    /// What is kept, if anything.
    pub(crate) record: Option<Record>,
}

impl<'a> Flow<'a> {
    /// Quantized, without noise.
    pub(crate) fn new(numerics: &'a Numerics, ranges: &'a Ranges) -> Result<Self, ModelError> {
        Ok(Self {
            numerics,
            quantized: true,
            noise: None,
            dropout: 0.0,
            ranges,
            seen: Ranges::default(),
            excess: Tensor::zeros((), candle_core::DType::F32, &Device::Cpu)?,
            record: None,
        })
    }

    /// What a LUT reads of its input. Gradients pass as if it were the input.
    pub(crate) fn read(
        &mut self,
        x: &Tensor,
        site: Site,
        grid: Grid,
    ) -> Result<Tensor, ModelError> {
        let mut values: Vec<f32> = x.flatten_all()?.to_vec1()?;
        self.seen.include(site, &values);
        self.penalise(x, site, &values)?;
        if !self.quantized {
            return Ok(x.clone());
        }
        if let Some(random) = self.noise.as_deref_mut() {
            let std = (site.noise() * self.ranges.width(site)) as f32;
            for value in &mut values {
                let unit: f32 = StandardNormal.sample(random);
                *value += std * unit;
            }
        }
        let (step, limit) = match grid {
            Grid::Fine => return straight_through(x, values),
            Grid::Scaled => {
                let levels = f64::from(SCALED_LEVELS);
                (self.ranges.largest(site) * MARGIN / levels, levels)
            }
            Grid::Integers(step, limit) => (step, limit),
        };
        let (step, limit) = (step as f32, limit as f32);
        for value in &mut values {
            *value = (*value / step).round().clamp(-limit, limit) * step;
        }
        straight_through(x, values)
    }

    /// Keeps queries, keys or values, if they are asked for.
    pub(crate) fn keep(&mut self, layer: usize, which: usize, x: &Tensor) {
        if let Some(record) = &mut self.record {
            while record.projections.len() <= layer {
                record.projections.push(Default::default());
            }
            record.projections[layer][which].push(x.clone());
        }
    }

    /// Dropout (Srivastava et al., JMLR 2014), where training asks for it.
    pub(crate) fn drop(&mut self, x: &Tensor) -> Result<Tensor, ModelError> {
        let (keep, Some(random)) = (1.0 - self.dropout, self.noise.as_deref_mut()) else {
            return Ok(x.clone());
        };
        if self.dropout == 0.0 {
            return Ok(x.clone());
        }
        let kept = (1.0 / keep) as f32;
        let mask = (0..x.elem_count()).map(|_| if random.random_bool(keep) { kept } else { 0.0 });
        let mask = Tensor::from_vec(mask.collect::<Vec<f32>>(), x.shape(), &Device::Cpu)?;
        Ok((x * mask)?)
    }

    /// To multiples of `step`, at most `limit` of them; no LUT, no noise.
    pub(crate) fn round(&self, x: &Tensor, step: f64, limit: f64) -> Result<Tensor, ModelError> {
        if !self.quantized {
            return Ok(x.clone());
        }
        let rounded = (x.detach() / step)?.round()?.clamp(-limit, limit)?;
        Ok((x + ((rounded * step)? - x.detach())?)?)
    }

    /// Matrices that weigh the same outputs of coarse LUTs, rounded as lowering will round them: they make values for
    /// these sites.
    pub(crate) fn weights(
        &mut self,
        matrices: &[(&Tensor, Site)],
    ) -> Result<Vec<Tensor>, ModelError> {
        if !self.quantized {
            return Ok(matrices
                .iter()
                .map(|(matrix, _)| (*matrix).clone())
                .collect());
        }
        // Torus units per real unit, but for a factor that all sites share.
        let scale = |site: Site| site.room() / self.ranges.largest(site);
        let mut largest = 0f64;
        for (matrix, site) in matrices {
            let weight: f32 = matrix.detach().abs()?.max_all()?.to_scalar()?;
            largest = largest.max(f64::from(weight) * scale(*site));
        }
        let unit = largest / WEIGHT_LIMIT;
        let round = |(matrix, site): &(&Tensor, Site)| match unit > 0.0 {
            true => self.round(matrix, unit / scale(*site), WEIGHT_LIMIT),
            false => Ok((*matrix).clone()),
        };
        let rounded = matrices.iter().map(round).collect::<Result<Vec<_>, _>>()?;
        if let Some(record) = &mut self.record
            && !record.has_weights
        {
            let pairs = matrices.iter().zip(&rounded);
            let kept =
                pairs.map(|((matrix, site), rounded)| (*site, (*matrix).clone(), rounded.clone()));
            record.weights.push(kept.collect());
        }
        Ok(rounded)
    }

    fn penalise(&mut self, x: &Tensor, site: Site, values: &[f32]) -> Result<(), ModelError> {
        let target = self.ranges.largest(site);
        // Most of the time nothing exceeds, and there is nothing to differentiate.
        if target > 0.0 && values.iter().any(|value| f64::from(value.abs()) > target) {
            let excess = ((x.abs()? / target)? - 1.0)?.relu()?;
            self.excess = (&self.excess + excess.sqr()?.sum_all()?)?;
        }
        Ok(())
    }
}

fn straight_through(x: &Tensor, values: Vec<f32>) -> Result<Tensor, ModelError> {
    let values = Tensor::from_vec(values, x.shape(), &Device::Cpu)?;
    Ok((x + (values - x.detach())?)?)
}
