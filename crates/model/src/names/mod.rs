//! A small transformer over the letters of names: from a list of names to the struct that lowering takes.
//!
//! [`train_names`] does all of it: names are split, a model is trained in floating point, then tuned with
//! the cuts and the noise that encrypted evaluation will have, its ranges are calibrated on the names it
//! was trained on, and what comes out is a [`Transformer`] and its [`NamesFigures`].

mod build;
mod card;
mod data;
mod figures;
mod parameters;
mod recipe;
mod train;

use std::path::Path;

use cipherformer_circuit::transformer::Transformer;
use rand::SeedableRng;
use rand::rngs::StdRng;

pub use build::build_names_gpt;
pub use figures::{NamesFigures, NamesLosses};
pub use recipe::NamesRecipe;

use crate::decoder::{Numbers, export, measure};
use crate::error::ModelError;
use crate::progress;
use data::Names;
use figures::Outcomes;
use train::{Phase, train};

/// The name of the circuit.
pub const NAMES_GPT: &str = "names-gpt";

/// Trains on `names.txt` in the folder `data`. The same seed gives the same transformer.
///
/// # Errors
/// Data that cannot be used, or a failure of the training library.
pub(crate) fn train_names(
    data: &Path,
    recipe: &NamesRecipe,
    seed: u64,
) -> Result<(Transformer, NamesFigures), ModelError> {
    let names = Names::load(&data.join("names.txt"))?;
    let mut random = StdRng::seed_from_u64(seed);
    let parameters = parameters::random(recipe, &mut random)?;
    let mut run = |phase, what, steps| -> Result<(), ModelError> {
        let bar = progress::bar(what, steps);
        train(
            &parameters,
            &names.train,
            recipe,
            phase,
            &mut random,
            || bar.inc(1),
        )?;
        bar.finish_and_clear();
        Ok(())
    };
    let (numerics, aims) = (recipe.numerics(), recipe.aims());
    let losses = |numbers, ranges| Outcomes::new(&parameters, &names, &numerics, ranges, numbers);
    run(Phase::Float, "training", recipe.float_steps)?;
    let float = losses(Numbers::Float, &aims)?;
    run(Phase::Tuning, "tuning with noise", recipe.tuning_steps)?;
    let ranges = measure(&parameters, &names.train, &numerics, &aims, Numbers::Exact)?.seen;
    let exact = losses(Numbers::Exact, &ranges)?;
    let noisy = losses(Numbers::Noisy(seed), &ranges)?;
    let figures = NamesFigures {
        train_names: names.train.len(),
        validation: NamesLosses::new(&float.validation, &exact.validation, &noisy.validation),
        test: NamesLosses::new(&float.test, &exact.test, &noisy.test),
    };
    Ok((export(&parameters, &numerics, &ranges)?, figures))
}
