//! From trained parameters to the transformer that lowering takes.

use candle_core::Tensor;
use cipherformer_circuit::transformer::{
    Attention, AttentionNumerics, BlockNumerics, Matrix, TokenTables, Transformer, TransformerBlock,
};

use super::data::VOCABULARY;
use super::flow::{Flow, Ranges, Site};
use super::model::{FINE_WEIGHTS, NORM_FLOOR, Parameters, Tables};
use super::recipe::NamesRecipe;
use crate::error::ModelError;

/// The transformer, its weights rounded as in training, with these calibrated ranges.
pub(crate) fn export(
    parameters: &Parameters,
    recipe: &NamesRecipe,
    ranges: &Ranges,
) -> Result<Transformer, ModelError> {
    let flow = Flow::new(recipe, ranges)?;
    let weights = |w: &Tensor, limit| matrix(&flow.weights(w, limit)?);
    let attention = |layer: usize| -> Result<Attention, ModelError> {
        Ok(Attention {
            output: weights(&parameters.blocks[layer].output, recipe.weight_limit)?,
            numerics: attention_numerics(layer, recipe, ranges),
        })
    };
    let block = &parameters.blocks[1];
    let project = |which: usize| weights(&block.projections[which], recipe.weight_limit);
    Ok(Transformer {
        heads: recipe.heads,
        positions: positions(&parameters.tables(&flow)?)?,
        attention: vec![attention(0)?, attention(1)?],
        blocks: vec![TransformerBlock {
            numerics: block_numerics(recipe, ranges),
            query: project(0)?,
            key: project(1)?,
            value: project(2)?,
            up: weights(&block.up.0, recipe.weight_limit)?,
            up_bias: block.up.1.to_vec1()?,
            down: weights(&block.down.0, FINE_WEIGHTS)?,
            down_bias: block.down.1.to_vec1()?,
        }],
        unembedding: weights(&parameters.unembedding, FINE_WEIGHTS)?,
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
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::super::data::Batch;
    use super::super::plain::loss;
    use super::*;
    use candle_nn::loss::cross_entropy;

    #[test]
    fn means_the_same_as_the_model() {
        let recipe = NamesRecipe {
            width: 8,
            heads: 2,
            tabulated_hidden: 8,
            hidden: 8,
            ..NamesRecipe::default()
        };
        let names = vec![vec![5, 13, 13, 1], vec![26, 15, 5], vec![9; 15]];
        let mut random = StdRng::seed_from_u64(1);
        let parameters = Parameters::new(&recipe, &mut random).expect("parameters");
        let ranges = Ranges::aimed_at(&recipe);
        let mut flow = Flow::new(&recipe, &ranges).expect("a flow");
        let batch = Batch::new(&names).expect("a batch");
        let logits = parameters.logits(&batch, &mut flow).expect("logits");
        let trained: f32 = cross_entropy(&logits, &batch.target)
            .and_then(|loss| loss.to_scalar())
            .expect("a loss");
        let transformer = export(&parameters, &recipe, &ranges).expect("a transformer");
        let exported = loss(&transformer, &names);
        // A rounding that falls the other way in single precision moves it by more than 1e-6.
        assert!(
            (exported - f64::from(trained)).abs() < 1e-4,
            "{exported} {trained}"
        );
    }
}
