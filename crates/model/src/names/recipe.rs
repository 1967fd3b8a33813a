//! The numbers of the recipe for names.

use crate::decoder::{Form, Numerics, Ranges, Site};

/// How a model of names is made. The defaults are a compromise of short trials: tight ranges and a large
/// `consistency` make noise matter less, and exact predictions a little worse.
#[derive(Clone, Debug, PartialEq)]
pub struct NamesRecipe {
    /// Width of the residual.
    pub width: usize,
    /// Number of heads; each is `width / heads` wide.
    pub heads: usize,
    /// Hidden values of block 1's MLP, which is tabulated: they cost nothing.
    pub tabulated_hidden: usize,
    /// Hidden values of block 2's MLP, each of which costs one LUT.
    pub hidden: usize,
    /// Names a step.
    pub batch: usize,
    /// Steps in floating point.
    pub float_steps: usize,
    /// Steps with quantization and noise.
    pub tuning_steps: usize,
    /// AdamW's first learning rate in floating point; it falls to 0 as a cosine does.
    pub learning_rate: f64,
    /// The same for tuning.
    pub tuning_rate: f64,
    /// AdamW's weight decay.
    pub weight_decay: f64,
    /// Part of the values dropped in floating point.
    pub dropout: f64,
    /// Weight, in floating point, of the squares of what exceeds the ranges that are aimed at.
    pub penalty: f64,
    /// The same for tuning. Noise grows with the ranges that are found in the end, so here it is large.
    pub tuning_penalty: f64,
    /// Weight, in tuning, of the divergence of noisy predictions from exact ones.
    pub consistency: f64,
    /// Resolution of the exponentials of scores.
    pub gain: f64,
    /// Soft cap of the scores.
    pub cap: f64,
    /// Smallest mean of exponentials that is told apart from less.
    pub floor: f64,
    /// Largest integers of queries, keys and values.
    pub limits: [u8; 3],
    /// Real values of one unit of them.
    pub steps: [f64; 3],
    /// Range aimed at for the residual.
    pub residual: f64,
    /// For real scores.
    pub score: f64,
    /// For the mean of exponentials.
    pub mean: f64,
    /// For the mixed values, in units of a value.
    pub mix: f64,
    /// For the MLP's inputs.
    pub up: f64,
    /// For the logits.
    pub logit: f64,
}

impl Default for NamesRecipe {
    fn default() -> Self {
        Self {
            width: 32,
            heads: 4,
            tabulated_hidden: 256,
            hidden: 48,
            batch: 128,
            float_steps: 5000,
            tuning_steps: 10_000,
            learning_rate: 8e-3,
            tuning_rate: 1.2e-2,
            weight_decay: 0.02,
            dropout: 0.05,
            penalty: 3.0,
            tuning_penalty: 60.0,
            consistency: 40.0,
            gain: 36.0,
            cap: 2.0,
            floor: 0.25,
            limits: [7, 7, 4],
            steps: [0.4, 0.4, 0.6],
            residual: 3.0,
            score: 3.5,
            mean: 1.5,
            mix: 4.0,
            up: 4.0,
            logit: 5.0,
        }
    }
}

/// Smallest mean of squares that a norm tells apart from less.
const NORM_FLOOR: f64 = 0.05;

/// What the norm of the first block's table adds to the mean of squares.
const TABLE_EPSILON: f64 = 1e-6;

impl NamesRecipe {
    /// What training and the circuit compute with, the same in both blocks.
    pub(crate) fn numerics(&self) -> Numerics {
        Numerics {
            form: Form::Circuit,
            heads: self.heads,
            gain: vec![self.gain; 2],
            cap: vec![Some(self.cap); 2],
            floor: vec![self.floor; 2],
            limits: vec![self.limits; 2],
            steps: vec![self.steps; 2],
            norm_floor: vec![NORM_FLOOR; 2],
            epsilon: vec![TABLE_EPSILON; 2],
            residual: Some(self.residual),
        }
    }

    /// The ranges that training aims at.
    pub(crate) fn aims(&self) -> Ranges {
        let mut ranges = Ranges::default();
        let layers =
            (0..2).flat_map(|layer| [Site::Score(layer), Site::Mean(layer), Site::Mix(layer)]);
        let projections = (0..3).map(|which| Site::Projection(1, which));
        let others = [
            Site::Residual(1),
            Site::MeanSquare(1),
            Site::Up(1),
            Site::Logit,
        ];
        for site in layers.chain(projections).chain(others) {
            let low = match site {
                Site::Mean(_) | Site::MeanSquare(_) => 0.0,
                _ => -self.target(site),
            };
            ranges.set(site, (low, self.target(site)));
        }
        ranges
    }

    /// The largest magnitude that training aims at, in the site's own unit.
    fn target(&self, site: Site) -> f64 {
        match site {
            Site::Score(layer) => {
                let head_width = self.width / self.heads;
                self.score / self.numerics().score_step(layer, head_width)
            }
            Site::Mean(_) => self.mean * self.gain,
            Site::Mix(_) => self.mix * self.gain,
            Site::Residual(_) => self.residual,
            // Seldom half of all values are at their largest.
            Site::MeanSquare(_) => self.residual * self.residual / 4.0,
            Site::Projection(_, which) => (f64::from(self.limits[which]) + 0.5) * self.steps[which],
            Site::Up(_) => self.up,
            Site::Logit => self.logit,
        }
    }
}
