//! The torus scales of a transformer: chosen once, the same for every position, as a session's keys and
//! values stay where they are.

use super::{LUT_HALF_RANGE, RESPONSE_HALF_RANGE, room};
use crate::check::no_room;
use crate::error::CircuitError;
use crate::parameters::ParameterSet;
use crate::transformer::{MARGIN, Matrix, Transformer, TransformerBlock};

/// Largest integer weight on outputs of scaled LUTs. They are noisier than those of plain LUTs, and
/// small integers let them fill more of the torus; larger ones would round weights less.
const SCALED_WEIGHT_LIMIT: f64 = 31.0;

/// Largest integer weight on outputs of plain LUTs.
const WEIGHT_LIMIT: f64 = 127.0;

/// No modulus of a product is larger: noise grows with it.
const MODULUS_LIMIT: u64 = 1 << 16;

pub(super) struct Scales {
    pub(super) attention: Vec<AttentionScales>,
    pub(super) blocks: Vec<BlockScales>,
    /// Torus units per unit of logit.
    pub(super) logits: f64,
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
        parameters: &ParameterSet,
    ) -> Result<Self, CircuitError> {
        let half = room(LUT_HALF_RANGE, 2.0 * parameters.lut_input_variance());
        let response = room(
            RESPONSE_HALF_RANGE,
            2.0 * (parameters.output_variance() + parameters.lut_output_variance()),
        );
        let logits = response / (model.logit_range * MARGIN);
        let fit = |range: f64| half / (range * MARGIN);
        let residuals: Vec<f64> = model
            .blocks
            .iter()
            .map(|block| fit(block.numerics.residual_range))
            .collect();
        // The scale of a source at which its largest weight, in any sum it enters, is the limit.
        let source = |matrix: &Matrix, first_use: usize, limit: f64| {
            let in_logits = largest(&model.unembedding.times(matrix)) * logits;
            let in_residuals = residuals[first_use..].iter().map(|s| largest(matrix) * s);
            in_residuals.fold(in_logits, f64::max) / limit
        };
        let blocks = model.blocks.iter().enumerate().map(|(index, block)| {
            let hidden = source(&block.down, index + 1, WEIGHT_LIMIT);
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
                output: source(&layer.output, index, SCALED_WEIGHT_LIMIT),
            })
        });
        let mut attention = attention.collect::<Result<Vec<_>, CircuitError>>()?;
        let token_modulus = align(&mut attention[0]);
        Ok(Self {
            attention,
            blocks,
            logits,
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
            normalised: largest / SCALED_WEIGHT_LIMIT,
            projections,
            up,
            hidden,
        }
    }
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
    let vector = width * (parameters.lut_output_variance() + parameters.packing_variance());
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
    (1..MODULUS_LIMIT)
        .find(|&modulus| {
            let added = parameters.product_variance(modulus, energy_a, energy_b);
            let variance = added + parameters.lut_input_variance();
            bound / modulus as f64 <= room(LUT_HALF_RANGE, variance)
        })
        .ok_or_else(|| no_room(name))
}

/// Makes the larger modulus a multiple of the smaller, so that one token serves both.
fn align(scales: &mut AttentionScales) -> u64 {
    let (score, mix) = (scales.score_modulus, scales.mix_modulus);
    if score > mix {
        scales.score_modulus = score.next_multiple_of(mix);
        scales.score_modulus
    } else {
        scales.mix_modulus = mix.next_multiple_of(score);
        scales.mix_modulus
    }
}

fn largest(matrix: &Matrix) -> f64 {
    let magnitudes = matrix.data().iter().map(|w| f64::from(w.abs()));
    magnitudes.fold(0.0, f64::max)
}
