//! From trained parameters to the transformer that lowering takes.

use candle_core::Tensor;
use cipherformer_circuit::transformer::{
    Attention, AttentionNumerics, BlockNumerics, Matrix, TokenTables, Transformer, TransformerBlock,
};

use super::data::VOCABULARY;
use super::flow::{Flow, Ranges, Site};
use super::model::{NORM_FLOOR, Parameters, Tables};
use super::recipe::NamesRecipe;
use crate::error::ModelError;

/// The transformer, with these calibrated ranges. Tables of tokens are rounded; weights, lowering will round.
pub(crate) fn export(
    parameters: &Parameters,
    recipe: &NamesRecipe,
    ranges: &Ranges,
) -> Result<Transformer, ModelError> {
    let flow = Flow::new(recipe, ranges)?;
    let attention = |layer: usize| -> Result<Attention, ModelError> {
        Ok(Attention {
            output: matrix(&parameters.blocks[layer].output)?,
            numerics: attention_numerics(layer, recipe, ranges),
        })
    };
    let block = &parameters.blocks[1];
    let project = |which: usize| matrix(&block.projections[which]);
    Ok(Transformer {
        heads: recipe.heads,
        positions: positions(&parameters.tables(&flow)?)?,
        attention: vec![attention(0)?, attention(1)?],
        blocks: vec![TransformerBlock {
            numerics: block_numerics(recipe, ranges),
            query: project(0)?,
            key: project(1)?,
            value: project(2)?,
            up: matrix(&block.up.0)?,
            up_bias: block.up.1.to_vec1()?,
            down: matrix(&block.down.0)?,
            down_bias: block.down.1.to_vec1()?,
        }],
        unembedding: matrix(&parameters.unembedding)?,
        unembedding_bias: parameters.unembedding_bias.to_vec1()?,
        logit_range: ranges.largest(Site::Logit),
    })
}

fn attention_numerics(layer: usize, recipe: &NamesRecipe, ranges: &Ranges) -> AttentionNumerics {
    AttentionNumerics {
        score_step: recipe.score_step(),
        score_range: ranges.largest(Site::Score(layer)),
        cap: recipe.cap,
        gain: recipe.gain,
        floor: recipe.floor,
        mean_range: ranges.largest(Site::Mean(layer)) / recipe.gain,
        mix_range: ranges.largest(Site::Mix(layer)),
        value_step: recipe.steps[2],
    }
}

fn block_numerics(recipe: &NamesRecipe, ranges: &Ranges) -> BlockNumerics {
    let (low, high) = ranges.both(Site::MeanSquare);
    BlockNumerics {
        residual_range: ranges.largest(Site::Residual),
        mean_square_range: [low, high],
        floor: NORM_FLOOR,
        projection_range: [0, 1, 2].map(|which| ranges.largest(Site::Projection(which))),
        projection_step: recipe.steps,
        projection_limit: recipe.limits,
        up_range: ranges.largest(Site::Up),
    }
}

fn positions(tables: &Tables) -> Result<Vec<TokenTables>, ModelError> {
    let [queries, keys, values] = &tables.projections;
    let all = [integers(queries)?, integers(keys)?, integers(values)?];
    let rows = tables.residual.dim(0)?;
    (0..rows)
        .step_by(VOCABULARY)
        .map(|first| {
            let part = |table: &[Vec<i8>]| table[first..first + VOCABULARY].to_vec();
            Ok(TokenTables {
                queries: part(&all[0]),
                keys: part(&all[1]),
                values: part(&all[2]),
                residual: matrix(&tables.residual.narrow(0, first, VOCABULARY)?)?,
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

#[cfg(test)]
mod tests {
    use cipherformer_circuit::noise::guard_in_stds;
    use cipherformer_circuit::transformer::MARGIN;
    use cipherformer_circuit::{Circuit, GUARD_LOG2, LUT_HALF_RANGE};
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::super::build::circuit;
    use super::super::evaluate::{Tally, reference_logits, tokens};
    use super::super::measure::{Numbers, measure};
    use super::*;

    /// Precise enough for grids much finer than the rounding that is measured.
    const PRECISE: &str = "tuned-2x1024-11x3-22x1-846x3u47-1x15-6x7-52";

    const NAMES: [&str; 4] = ["emma", "zoe", "iiiiiiiiiiiiiii", "christopher"];

    /// The ranges with which training gives logits the scale that lowering gives them: flooding takes another part of the
    /// torus under these precise parameters than under those of `names-gpt`, which training allows for.
    fn as_lowered(mut ranges: Ranges, circuit: &Circuit) -> Ranges {
        let range = ranges.largest(Site::Logit);
        let variance = 2.0 * circuit.parameters().lut_input_variance();
        let lut = LUT_HALF_RANGE - guard_in_stds(GUARD_LOG2) * variance.sqrt();
        let lowered = circuit.manifest().output.scale[0] * range * MARGIN / lut;
        ranges.include(
            Site::Logit,
            &[(range * Site::Logit.room() / lowered) as f32],
        );
        ranges
    }

    /// Mean cross-entropy of the lowered circuit's reference.
    fn lowered_loss(circuit: &Circuit) -> f64 {
        let mut tally = Tally::default();
        for name in NAMES {
            let tokens = tokens(circuit, name).expect("letters");
            let logits = reference_logits(circuit, &tokens).expect("it fits");
            tally.add(&tokens, &logits, None);
        }
        tally.cross_entropy()
    }

    /// Training rounds weights as lowering does: what it measures is what the circuit computes.
    #[test]
    fn a_lowered_circuit_means_what_was_trained() {
        let recipe = NamesRecipe {
            width: 8,
            heads: 2,
            tabulated_hidden: 8,
            hidden: 8,
            ..NamesRecipe::default()
        };
        let letters = |name: &str| name.bytes().map(|b| b - b'a' + 1).collect();
        let names: Vec<Vec<u8>> = NAMES.into_iter().map(letters).collect();
        let difference = |seed| {
            let mut random = StdRng::seed_from_u64(seed);
            let parameters = Parameters::new(&recipe, &mut random).expect("parameters");
            let exact = |ranges: &Ranges| {
                measure(&parameters, &names, &recipe, ranges, Numbers::Exact).expect("a loss")
            };
            let ranges = exact(&Ranges::aimed_at(&recipe)).seen;
            let transformer = export(&parameters, &recipe, &ranges).expect("a transformer");
            let circuit = circuit(transformer, PRECISE).expect("a valid circuit");
            lowered_loss(&circuit) - exact(&as_lowered(ranges, &circuit)).loss
        };
        let squares: f64 = (0..8).map(|seed| difference(seed).powi(2)).sum();
        // Lowering rounds the tokens' residual once more, on grids of its own: 0.003. Did training not round weights
        // as lowering does, it would be 0.007.
        let difference = (squares / 8.0).sqrt();
        assert!(difference < 0.004, "{difference}");
    }
}
