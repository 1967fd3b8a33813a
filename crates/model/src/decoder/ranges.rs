//! Which values have ranges, and what they are.

use cipherformer_circuit::transformer::MARGIN;

/// A kind of value whose range is calibrated. The number of a layer or a projection is an index from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// q . k, in units, of one layer of attention.
    Score(usize),
    /// Sums of exponentials, of one layer.
    Mean(usize),
    /// Sums of exponentials times values, of one layer.
    Mix(usize),
    /// The residual that enters a block; of the second block at least.
    Residual(usize),
    /// The mean of its squares.
    MeanSquare(usize),
    /// Queries, keys or values of a block: its layer, and which.
    Projection(usize, usize),
    /// Inputs of a block's MLP.
    Up(usize),
    /// The output.
    Logit,
}

/// How many kinds of [`Site`]s a layer has.
const KINDS: usize = 9;

impl Site {
    fn index(self) -> usize {
        let (layer, kind) = match self {
            Self::Logit => return 0,
            Self::Score(layer) => (layer, 0),
            Self::Mean(layer) => (layer, 1),
            Self::Mix(layer) => (layer, 2),
            Self::Residual(layer) => (layer, 3),
            Self::MeanSquare(layer) => (layer, 4),
            Self::Projection(layer, which) => (layer, 5 + which),
            Self::Up(layer) => (layer, 8),
        };
        1 + layer * KINDS + kind
    }

    /// Standard deviation of the noise to train with, relative to the site's range with its margin, both sides of 0 (guard
    /// bands leave it about 0.89 of a LUT's input range). Sites differ as lowering predicts under `precise-1024`: besides the
    /// LUT's own noise there is that of ring products in scores and mixed values, and that of coarse LUTs in sums of their
    /// outputs. All are a tenth less than predicted: with the whole of it, tuning gives up precision that noise
    /// does not take (most likely characters then agreed in 96.3 % instead of 97.0 %).
    pub(crate) fn noise(self) -> f64 {
        match self {
            Self::Score(_) | Self::MeanSquare(_) => 0.0049,
            Self::Mean(_) => 0.0055,
            Self::Mix(0) => 0.0060,
            Self::Mix(_) => 0.0071,
            Self::Residual(_) => 0.0053,
            Self::Projection(..) | Self::Up(_) => 0.0056,
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
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ranges(Vec<(f64, f64)>);

/// Before anything was seen.
const NOTHING: (f64, f64) = (f64::INFINITY, f64::NEG_INFINITY);

impl Ranges {
    /// Largest magnitude; minus infinity where nothing was seen.
    pub(crate) fn largest(&self, site: Site) -> f64 {
        let (low, high) = self.both(site);
        high.max(-low)
    }

    /// Smallest and largest value.
    pub(crate) fn both(&self, site: Site) -> (f64, f64) {
        self.0.get(site.index()).copied().unwrap_or(NOTHING)
    }

    pub(crate) fn set(&mut self, site: Site, range: (f64, f64)) {
        *self.slot(site) = range;
    }

    pub(crate) fn include(&mut self, site: Site, values: &[f32]) {
        let (low, high) = self.slot(site);
        for &value in values {
            *low = low.min(f64::from(value));
            *high = high.max(f64::from(value));
        }
    }

    fn slot(&mut self, site: Site) -> &mut (f64, f64) {
        let index = site.index();
        if self.0.len() <= index {
            self.0.resize(index + 1, NOTHING);
        }
        &mut self.0[index]
    }

    /// Width of the range with its margin, which guard bands leave of a LUT's input range.
    pub(crate) fn width(&self, site: Site) -> f64 {
        let (low, high) = self.both(site);
        MARGIN
            * match site {
                Site::Mean(_) => high,
                Site::MeanSquare(_) => high - low,
                _ => 2.0 * self.largest(site),
            }
    }
}
