//! Training: in floating point first, then with the cuts and the noise of encrypted evaluation.

use std::f64::consts::PI;

use candle_core::{D, Tensor};
use candle_nn::loss::cross_entropy;
use candle_nn::ops::log_softmax;
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::data::VOCABULARY;
use super::parameters::variables;
use super::recipe::NamesRecipe;
use crate::decoder::{Batch, Flow, Numerics, Parameters, Ranges};
use crate::error::ModelError;

/// A part of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Real numbers.
    Float,
    /// Rounded numbers, with noise.
    Tuning,
}

/// The numbers of the recipe, as training needs them at every step.
struct Aims<'a> {
    recipe: &'a NamesRecipe,
    numerics: &'a Numerics,
    ranges: &'a Ranges,
}

/// Trains for one phase; `step` is called after every step.
pub(crate) fn train(
    parameters: &Parameters,
    names: &[Vec<u8>],
    recipe: &NamesRecipe,
    phase: Phase,
    random: &mut StdRng,
    step: impl Fn(),
) -> Result<(), ModelError> {
    let (steps, rate) = match phase {
        Phase::Float => (recipe.float_steps, recipe.learning_rate),
        Phase::Tuning => (recipe.tuning_steps, recipe.tuning_rate),
    };
    let config = ParamsAdamW {
        weight_decay: recipe.weight_decay,
        beta2: 0.99,
        ..ParamsAdamW::default()
    };
    let mut optimizer = AdamW::new(variables(parameters)?, config)?;
    let (numerics, ranges) = (recipe.numerics(), recipe.aims());
    let aims = Aims {
        recipe,
        numerics: &numerics,
        ranges: &ranges,
    };
    let mut order: Vec<usize> = Vec::new();
    for done in 0..steps {
        if order.len() < recipe.batch {
            order = (0..names.len()).collect();
            order.shuffle(random);
        }
        let chosen = order.split_off(order.len().saturating_sub(recipe.batch));
        let batch = Batch::new(chosen.iter().map(|&index| &names[index]), VOCABULARY)?;
        optimizer.set_learning_rate(rate * schedule(done, steps));
        let loss = match phase {
            Phase::Float => float_loss(parameters, &batch, &aims, random)?,
            Phase::Tuning => noisy_loss(parameters, &batch, &aims, random)?,
        };
        optimizer.backward_step(&loss)?;
        step();
    }
    Ok(())
}

/// Part of the learning rate: up in a line over the first twentieth, then down to 0 as a cosine does.
fn schedule(done: usize, steps: usize) -> f64 {
    let part = (done as f64 + 1.0) / steps as f64;
    (20.0 * part).min(0.5 + 0.5 * (PI * part).cos())
}

fn float_loss(
    parameters: &Parameters,
    batch: &Batch,
    aims: &Aims<'_>,
    random: &mut StdRng,
) -> Result<Tensor, ModelError> {
    let mut flow = Flow::new(aims.numerics, aims.ranges)?;
    flow.quantized = false;
    flow.noise = Some(random);
    flow.dropout = aims.recipe.dropout;
    let (_, loss) = logits_and_loss(parameters, batch, flow, aims.recipe.penalty)?;
    Ok(loss)
}

/// Cross-entropy with noise, and how far that is from the prediction without.
fn noisy_loss(
    parameters: &Parameters,
    batch: &Batch,
    aims: &Aims<'_>,
    random: &mut StdRng,
) -> Result<Tensor, ModelError> {
    let mut flow = Flow::new(aims.numerics, aims.ranges)?;
    flow.noise = Some(random);
    let (noisy, loss) = logits_and_loss(parameters, batch, flow, aims.recipe.tuning_penalty)?;
    if aims.recipe.consistency == 0.0 {
        return Ok(loss);
    }
    let exact = parameters.logits(batch, &mut Flow::new(aims.numerics, aims.ranges)?)?;
    let (noisy, exact) = (
        log_softmax(&noisy, D::Minus1)?,
        log_softmax(&exact, D::Minus1)?,
    );
    let divergence = (exact.exp()? * (exact - noisy)?)?.sum(1)?.mean_all()?;
    Ok((loss + (divergence * aims.recipe.consistency)?)?)
}

/// Cross-entropy, and a penalty on what exceeds the ranges that are aimed at.
fn logits_and_loss(
    parameters: &Parameters,
    batch: &Batch,
    mut flow: Flow<'_>,
    penalty: f64,
) -> Result<(Tensor, Tensor), ModelError> {
    let logits = parameters.logits(batch, &mut flow)?;
    let excess = (flow.excess * (penalty / batch.rows() as f64))?;
    let loss = (cross_entropy(&logits, &batch.target)? + excess)?;
    Ok((logits, loss))
}
