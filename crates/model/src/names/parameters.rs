//! The weights that training starts from.

use candle_core::{Device, Tensor, Var};
use cipherformer_circuit::Function;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

use super::data::{CONTEXT, VOCABULARY};
use super::recipe::NamesRecipe;
use crate::decoder::{BlockParameters, Parameters};
use crate::error::ModelError;

/// Random weights, each of them a variable.
pub(super) fn random(recipe: &NamesRecipe, random: &mut StdRng) -> Result<Parameters, ModelError> {
    let width = recipe.width;
    Ok(Parameters {
        token: normal(VOCABULARY, width, 0.7, random)?,
        position: normal(CONTEXT, width, 0.3, random)?,
        blocks: vec![
            block(width, recipe.tabulated_hidden, random)?,
            block(width, recipe.hidden, random)?,
        ],
        unembedding: normal(VOCABULARY, width, 0.1, random)?,
        unembedding_bias: zeros(VOCABULARY)?,
    })
}

/// All weights, for the optimizer.
pub(super) fn variables(parameters: &Parameters) -> Result<Vec<Var>, ModelError> {
    let mut all = vec![&parameters.token, &parameters.position];
    for block in &parameters.blocks {
        all.extend(&block.projections);
        all.push(&block.output);
        for (matrix, bias) in [&block.up, &block.down] {
            all.extend([matrix, bias]);
        }
    }
    all.extend([&parameters.unembedding, &parameters.unembedding_bias]);
    let variable = |tensor: &Tensor| Ok(Var::from_tensor(tensor)?);
    all.into_iter().map(variable).collect()
}

fn block(width: usize, hidden: usize, random: &mut StdRng) -> Result<BlockParameters, ModelError> {
    let std = (width as f32).sqrt().recip();
    let mut square = |std| normal(width, width, std, random);
    Ok(BlockParameters {
        projections: [square(std)?, square(std)?, square(std)?],
        output: square(0.5 * std)?,
        up: (normal(hidden, width, std, random)?, zeros(hidden)?),
        activation: Function::Gelu,
        down: (
            normal(width, hidden, 0.5 / (hidden as f32).sqrt(), random)?,
            zeros(width)?,
        ),
    })
}

fn normal(
    rows: usize,
    columns: usize,
    std: f32,
    random: &mut StdRng,
) -> Result<Tensor, ModelError> {
    let draw = |_| {
        let unit: f32 = StandardNormal.sample(random);
        std * unit
    };
    let data: Vec<f32> = (0..rows * columns).map(draw).collect();
    let variable = Var::from_vec(data, (rows, columns), &Device::Cpu)?;
    Ok(variable.as_tensor().clone())
}

fn zeros(length: usize) -> Result<Tensor, ModelError> {
    let variable = Var::from_vec(vec![0f32; length], length, &Device::Cpu)?;
    Ok(variable.as_tensor().clone())
}
