//! From weights and ranges to the transformer that lowering takes.

use candle_core::Tensor;
use cipherformer_circuit::transformer::{
    Attention, AttentionNumerics, BlockNumerics, Matrix, TokenTables, Transformer, TransformerBlock,
};

use super::flow::Flow;
use super::model::{Parameters, Tables};
use super::numerics::Numerics;
use super::ranges::{Ranges, Site};
use crate::error::ModelError;

/// The transformer, with these calibrated ranges. Tables of tokens are rounded; weights, lowering will round.
///
/// # Panics
/// If the numbers leave scores without a cap: no LUT does that.
pub(crate) fn export(
    parameters: &Parameters,
    numerics: &Numerics,
    ranges: &Ranges,
) -> Result<Transformer, ModelError> {
    let flow = Flow::new(numerics, ranges)?;
    let layers = 0..parameters.blocks.len();
    let head_width = parameters.blocks[0].output.dim(1)? / numerics.heads;
    let attention = layers.clone().map(|layer| {
        Ok(Attention {
            output: matrix(&parameters.blocks[layer].output)?,
            numerics: attention_numerics(layer, head_width, numerics, ranges),
        })
    });
    let blocks = layers.skip(1).map(|layer| {
        let block = &parameters.blocks[layer];
        let project = |which: usize| matrix(&block.projections[which]);
        Ok(TransformerBlock {
            numerics: block_numerics(layer, numerics, ranges),
            query: project(0)?,
            key: project(1)?,
            value: project(2)?,
            up: matrix(&block.up.0)?,
            up_bias: block.up.1.to_vec1()?,
            down: matrix(&block.down.0)?,
            down_bias: block.down.1.to_vec1()?,
        })
    });
    Ok(Transformer {
        heads: numerics.heads,
        positions: positions(&parameters.tables(&flow)?, parameters.vocabulary()?)?,
        attention: attention.collect::<Result<_, ModelError>>()?,
        blocks: blocks.collect::<Result<_, ModelError>>()?,
        unembedding: matrix(&parameters.unembedding)?,
        unembedding_bias: parameters.unembedding_bias.to_vec1()?,
        logit_range: ranges.largest(Site::Logit),
    })
}

fn attention_numerics(
    layer: usize,
    head_width: usize,
    numerics: &Numerics,
    ranges: &Ranges,
) -> AttentionNumerics {
    let gain = numerics.gain[layer];
    AttentionNumerics {
        score_step: numerics.score_step(layer, head_width),
        score_range: ranges.largest(Site::Score(layer)),
        cap: numerics.cap[layer].expect("a circuit's scores are capped"),
        gain,
        floor: numerics.floor[layer],
        mean_range: ranges.largest(Site::Mean(layer)) / gain,
        mix_range: ranges.largest(Site::Mix(layer)),
        value_step: numerics.steps[layer][2],
    }
}

fn block_numerics(layer: usize, numerics: &Numerics, ranges: &Ranges) -> BlockNumerics {
    let (low, high) = ranges.both(Site::MeanSquare(layer));
    BlockNumerics {
        residual_range: ranges.largest(Site::Residual(layer)),
        mean_square_range: [low, high],
        floor: numerics.norm_floor[layer],
        projection_range: [0, 1, 2].map(|which| ranges.largest(Site::Projection(layer, which))),
        projection_step: numerics.steps[layer],
        projection_limit: numerics.limits[layer],
        up_range: ranges.largest(Site::Up(layer)),
    }
}

fn positions(tables: &Tables, vocabulary: usize) -> Result<Vec<TokenTables>, ModelError> {
    let [queries, keys, values] = &tables.projections;
    let all = [integers(queries)?, integers(keys)?, integers(values)?];
    let rows = tables.residual.dim(0)?;
    (0..rows)
        .step_by(vocabulary)
        .map(|first| {
            let part = |table: &[Vec<i8>]| table[first..first + vocabulary].to_vec();
            Ok(TokenTables {
                queries: part(&all[0]),
                keys: part(&all[1]),
                values: part(&all[2]),
                residual: matrix(&tables.residual.narrow(0, first, vocabulary)?)?,
            })
        })
        .collect()
}

/// Rows of numbers that are integers but for rounding errors of `f32`.
fn integers(table: &Tensor) -> Result<Vec<Vec<i8>>, ModelError> {
    let rows = table.to_vec2::<f32>()?;
    let integer = |value: &f32| value.round() as i8;
    Ok(rows
        .iter()
        .map(|row| row.iter().map(integer).collect())
        .collect())
}

fn matrix(tensor: &Tensor) -> Result<Matrix, ModelError> {
    let (rows, columns) = tensor.dims2()?;
    let data = tensor.flatten_all()?.to_vec1()?;
    Ok(Matrix::new(rows, columns, data).expect("as many numbers as the shape says"))
}
