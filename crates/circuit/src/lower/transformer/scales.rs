//! The torus scales of a transformer: chosen once, the same for every position, as a session's keys and
//! values stay where they are.

use crate::check::no_room;
use crate::error::CircuitError;
use crate::lower::ending::{Ending, LOGITS_FLOOD};
use crate::lower::{LUT_HALF_RANGE, guard_part, room, rounded};
use crate::parameters::{ParameterSet, Precision};
use crate::policy::OutputPolicy;
use crate::transformer::{
    MARGIN, Matrix, SCALED_LEVELS, Transformer, TransformerBlock, WEIGHT_LIMIT,
};

/// No modulus of a product is larger: noise grows with it.
const MODULUS_LIMIT: u64 = 1 << 16;

pub(super) struct Scales {
    pub(super) attention: Vec<AttentionScales>,
    pub(super) blocks: Vec<BlockScales>,
    /// What attention outputs of every layer, and hidden activations of every block, add to the logits.
    pub(super) attention_in_logits: Vec<Matrix>,
    pub(super) hidden_in_logits: Vec<Matrix>,
    /// Torus units per unit of logit.
    pub(super) logits: f64,
    /// What becomes of them.
    pub(super) ending: Ending,
    /// A token's weight of 1 is 1 / this on the torus: a multiple of both moduli of block 1.
    pub(super) token_modulus: u64,
}

#[derive(Clone, Copy)]
pub(super) struct AttentionScales {
    pub(super) score_modulus: u64,
    pub(super) score_range: f64,
    pub(super) mix_modulus: u64,
    pub(super) mix_range: f64,
    /// Torus units per real unit of attention's output.
    pub(super) output: f64,
}

/// Torus units per real unit of the tensors of a block.
pub(super) struct BlockScales {
    pub(super) residual: f64,
    pub(super) normalised: f64,
    /// Query, key, value, before rounding.
    pub(super) projections: [f64; 3],
    pub(super) up: f64,
    pub(super) hidden: f64,
}

impl Scales {
    pub(super) fn new(
        model: &Transformer,
        policy: OutputPolicy,
        parameters: &'static ParameterSet,
    ) -> Result<Self, CircuitError> {
        let half = room(LUT_HALF_RANGE, 2.0 * parameters.lut_input_variance());
        let in_logits = |matrix| model.unembedding.times(matrix);
        let hidden_in_logits: Vec<Matrix> =
            model.blocks.iter().map(|b| in_logits(&b.down)).collect();
        let attention_in_logits: Vec<Matrix> = model
            .attention
            .iter()
            .map(|a| in_logits(&a.output))
            .collect();
        let sources = hidden_in_logits.iter().chain(&attention_in_logits);
        let carried = logits_variance(sources, parameters);
        let ending = Ending::new(policy, parameters, carried, LOGITS_FLOOD);
        let logits = rounded(ending.room() / (model.logit_range * MARGIN));
        let fit = |range: f64| half / (range * MARGIN);
        let residuals: Vec<f64> = model
            .blocks
            .iter()
            .map(|block| fit(block.numerics.residual_range))
            .collect();
        // The scale of a source at which its largest weight, in any sum it enters, is the limit.
        let source = |matrix: &Matrix, in_logits: &Matrix, first_use: usize| {
            let in_logits = largest(in_logits) * logits;
            let in_residuals = residuals[first_use..].iter().map(|s| largest(matrix) * s);
            in_residuals.fold(in_logits, f64::max) / WEIGHT_LIMIT
        };
        let blocks = model.blocks.iter().enumerate().map(|(index, block)| {
            let hidden = source(&block.down, &hidden_in_logits[index], index + 1);
            BlockScales::new(block, residuals[index], hidden, fit)
        });
        let blocks = blocks.collect();
        let attention = model.attention.iter().enumerate().map(|(index, layer)| {
            let [score_modulus, mix_modulus] = moduli(model, index, parameters)?;
            Ok(AttentionScales {
                score_modulus,
                score_range: layer.numerics.score_range,
                mix_modulus,
                mix_range: layer.numerics.mix_range,
                output: source(&layer.output, &attention_in_logits[index], index),
            })
        });
        let mut attention = attention.collect::<Result<Vec<_>, CircuitError>>()?;
        let token_modulus = align(&mut attention[0]);
        Ok(Self {
            attention,
            blocks,
            attention_in_logits,
            hidden_in_logits,
            logits,
            ending,
            token_modulus,
        })
    }
}

impl BlockScales {
    fn new(block: &TransformerBlock, residual: f64, hidden: f64, fit: impl Fn(f64) -> f64) -> Self {
        let projections = block.numerics.projection_range.map(&fit);
        let up = fit(block.numerics.up_range);
        let matrices = [&block.query, &block.key, &block.value];
        let largest = matrices
            .iter()
            .zip(projections)
            .map(|(matrix, scale)| largest(matrix) * scale)
            .fold(largest(&block.up) * up, f64::max);
        Self {
            residual,
            normalised: largest / WEIGHT_LIMIT,
            projections,
            up,
            hidden,
        }
    }
}

/// At most what logits carry of LUTs' noise: the largest weight of each source at its limit, the others in
/// proportion and rounded up, every source as noisy as a scaled LUT.
fn logits_variance<'a>(
    sources: impl Iterator<Item = &'a Matrix>,
    parameters: &ParameterSet,
) -> f64 {
    let mut squares: Vec<f64> = Vec::new();
    for matrix in sources {
        // A matrix of zeros has no weights to bring to the limit.
        let unit = match largest(matrix) {
            0.0 => 0.0,
            largest => WEIGHT_LIMIT / largest,
        };
        squares.resize(matrix.rows(), 0.0);
        for (row, sum) in squares.iter_mut().enumerate() {
            let weights = matrix.row(row).iter();
            *sum += weights
                .map(|w| (f64::from(w.abs()) * unit + 0.5).powi(2))
                .sum::<f64>();
        }
    }
    let lut = parameters.lut_output_variance(Precision::Full);
    let source = parameters.scaled_lut_output_variance(SCALED_LEVELS, Precision::Coarse, lut);
    source * squares.into_iter().fold(0.0, f64::max)
}

/// The smallest moduli of scores and weighted sums that leave room for range and noise, with every
/// position of the context filled.
fn moduli(
    model: &Transformer,
    layer: usize,
    parameters: &ParameterSet,
) -> Result<[u64; 2], CircuitError> {
    let numerics = &model.attention[layer].numerics;
    let (width, context) = (model.head_width() as f64, model.positions.len() as f64);
    // Tokens' tables give less noise than LUTs; what the difference would gain is little.
    let vector =
        width * (parameters.lut_output_variance(Precision::Full) + parameters.packing_variance());
    let weights = vector / width * context;
    let name = format!("block{}.attention", layer + 1);
    Ok([
        modulus(
            &name,
            numerics.score_range,
            vector,
            context * vector,
            parameters,
        )?,
        modulus(
            &name,
            numerics.mix_range,
            weights,
            context * vector,
            parameters,
        )?,
    ])
}

fn modulus(
    name: &str,
    range: f64,
    energy_a: f64,
    energy_b: f64,
    parameters: &ParameterSet,
) -> Result<u64, CircuitError> {
    let bound = range * MARGIN;
    let needed = |modulus: u64| {
        let added = parameters.product_variance(modulus, energy_a, energy_b);
        let variance = added + parameters.lut_input_variance();
        bound / modulus as f64 / LUT_HALF_RANGE + guard_part(LUT_HALF_RANGE, variance)
    };
    let moduli = 1..MODULUS_LIMIT;
    moduli
        .clone()
        .find(|&modulus| needed(modulus) <= 1.0)
        .ok_or_else(|| {
            let least = moduli.map(needed).fold(f64::INFINITY, f64::min);
            no_room(name, least)
        })
}

/// Raises one of the moduli so that the larger is a multiple of the smaller, and one token serves
/// both: the one that needs less raising.
fn align(scales: &mut AttentionScales) -> u64 {
    let (score, mix) = (&mut scales.score_modulus, &mut scales.mix_modulus);
    let (small, large) = if score < mix {
        (score, mix)
    } else {
        (mix, score)
    };
    let times = *large / *small;
    let (raised_small, raised_large) = (large.div_ceil(times), (times + 1) * *small);
    if raised_small * *large <= raised_large * *small {
        *small = raised_small;
        *large = times * raised_small;
    } else {
        *large = large.next_multiple_of(*small);
    }
    *large
}

fn largest(matrix: &Matrix) -> f64 {
    let magnitudes = matrix.data().iter().map(|w| f64::from(w.abs()));
    magnitudes.fold(0.0, f64::max)
}
