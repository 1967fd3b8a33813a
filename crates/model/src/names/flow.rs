//! What LUTs do to the values that pass through them: noise, cuts, and ranges to be kept.

use candle_core::{Device, Tensor};
use cipherformer_circuit::transformer::{MARGIN, SCALED_LEVELS, WEIGHT_LIMIT};
use rand::RngExt;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

use super::recipe::NamesRecipe;
use crate::error::ModelError;

/// A kind of value whose range is calibrated. The number of a layer or a projection is an index from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// q . k, in units, of one layer of attention.
    Score(usize),
    /// Sums of exponentials, of one layer.
    Mean(usize),
    /// Sums of exponentials times values, of one layer.
    Mix(usize),
    /// The residual that enters block 2.
    Residual,
    /// The mean of its squares.
    MeanSquare,
    /// Queries, keys or values of block 2.
    Projection(usize),
    /// Inputs of the MLP of block 2.
    Up,
    /// The output.
    Logit,
}

/// How many [`Site`]s there are in two blocks.
const SITES: usize = 13;

impl Site {
    fn index(self) -> usize {
        match self {
            Self::Score(layer) => layer,
            Self::Mean(layer) => 2 + layer,
            Self::Mix(layer) => 4 + layer,
            Self::Residual => 6,
            Self::MeanSquare => 7,
            Self::Projection(which) => 8 + which,
            Self::Up => 11,
            Self::Logit => 12,
        }
    }

    /// Standard deviation of the noise to train with, relative to the site's range with its margin, both sides of 0 (guard
    /// bands leave it about 0.89 of a LUT's input range). Sites differ as lowering predicts under `precise-1024`: besides the
    /// LUT's own noise there is that of ring products in scores and mixed values, and that of coarse LUTs in sums of their
    /// outputs. All are a tenth less than predicted: with the whole of it, tuning gives up precision that noise
    /// does not take (most likely characters then agreed in 96.3 % instead of 97.0 %).
    fn noise(self) -> f64 {
        match self {
            Self::Score(_) | Self::MeanSquare => 0.0049,
            Self::Mean(_) => 0.0055,
            Self::Mix(0) => 0.0060,
            Self::Mix(_) => 0.0071,
            Self::Residual => 0.0053,
            Self::Projection(_) | Self::Up => 0.0056,
            Self::Logit => 0.0021,
        }
    }

    /// The part of the torus that guard bands leave for the range, relative to that before a LUT.
    pub(crate) fn room(self) -> f64 {
        match self {
            Self::Logit => 2.15,
            _ => 1.0,
        }
    }
}

/// Smallest and largest value, by [`Site`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ranges([(f64, f64); SITES]);

impl Ranges {
    /// Before anything was seen.
    pub(crate) fn empty() -> Self {
        Self([(f64::INFINITY, f64::NEG_INFINITY); SITES])
    }

    /// The ranges that training aims at.
    pub(crate) fn aimed_at(recipe: &NamesRecipe) -> Self {
        let mut ranges = Self::empty();
        let layers =
            (0..2).flat_map(|layer| [Site::Score(layer), Site::Mean(layer), Site::Mix(layer)]);
        let projections = (0..3).map(Site::Projection);
        let others = [Site::Residual, Site::MeanSquare, Site::Up, Site::Logit];
        for site in layers.chain(projections).chain(others) {
            let low = match site {
                Site::Mean(_) | Site::MeanSquare => 0.0,
                _ => -recipe.target(site),
            };
            ranges.0[site.index()] = (low, recipe.target(site));
        }
        ranges
    }

    /// Largest magnitude.
    pub(crate) fn largest(&self, site: Site) -> f64 {
        let (low, high) = self.0[site.index()];
        high.max(-low)
    }

    /// Smallest and largest value.
    pub(crate) fn both(&self, site: Site) -> (f64, f64) {
        self.0[site.index()]
    }

    pub(crate) fn include(&mut self, site: Site, values: &[f32]) {
        let (low, high) = &mut self.0[site.index()];
        for &value in values {
            *low = low.min(f64::from(value));
            *high = high.max(f64::from(value));
        }
    }

    /// Width of the range with its margin, which guard bands leave of a LUT's input range.
    fn width(&self, site: Site) -> f64 {
        let (low, high) = self.0[site.index()];
        MARGIN
            * match site {
                Site::Mean(_) => high,
                Site::MeanSquare => high - low,
                _ => 2.0 * self.largest(site),
            }
    }
}

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

/// One pass through the model: what is done to the values, and what was seen of them.
#[derive(Debug)]
pub(crate) struct Flow<'a> {
    /// The numbers.
    pub(crate) recipe: &'a NamesRecipe,
    /// Whether values and weights are rounded; without it, nothing is done to them.
    pub(crate) quantized: bool,
    /// Where noise and dropout come from, if any.
    pub(crate) noise: Option<&'a mut StdRng>,
    /// Part of the values that [`Flow::drop`] sets to 0.
    pub(crate) dropout: f64,
    /// What noise and grids are proportional to.
    pub(crate) ranges: &'a Ranges,
    /// What came by, before noise.
    pub(crate) seen: Ranges,
    /// Sum of the squares of what exceeded the ranges aimed at.
    pub(crate) excess: Tensor,
}

impl<'a> Flow<'a> {
    /// Quantized, without noise.
    pub(crate) fn new(recipe: &'a NamesRecipe, ranges: &'a Ranges) -> Result<Self, ModelError> {
        Ok(Self {
            recipe,
            quantized: true,
            noise: None,
            dropout: 0.0,
            ranges,
            seen: Ranges::empty(),
            excess: Tensor::zeros((), candle_core::DType::F32, &Device::Cpu)?,
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
    pub(crate) fn weights<const N: usize>(
        &self,
        matrices: [(&Tensor, Site); N],
    ) -> Result<[Tensor; N], ModelError> {
        let mut rounded = matrices.map(|(matrix, _)| matrix.clone());
        if !self.quantized {
            return Ok(rounded);
        }
        // Torus units per real unit, but for a factor that all sites share.
        let scale = |site: Site| site.room() / self.ranges.largest(site);
        let mut largest = 0f64;
        for (matrix, site) in matrices {
            let weight: f32 = matrix.detach().abs()?.max_all()?.to_scalar()?;
            largest = largest.max(f64::from(weight) * scale(site));
        }
        if largest == 0.0 {
            return Ok(rounded);
        }
        let unit = largest / WEIGHT_LIMIT;
        for (matrix, (_, site)) in rounded.iter_mut().zip(matrices) {
            *matrix = self.round(matrix, unit / scale(site), WEIGHT_LIMIT)?;
        }
        Ok(rounded)
    }

    fn penalise(&mut self, x: &Tensor, site: Site, values: &[f32]) -> Result<(), ModelError> {
        let target = self.recipe.target(site);
        // Most of the time nothing exceeds, and there is nothing to differentiate.
        if values.iter().any(|value| f64::from(value.abs()) > target) {
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
