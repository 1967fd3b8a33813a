//! The circuit names-gpt, from data to folder.

use std::path::Path;

use cipherformer_circuit::{Circuit, Description, OutputPolicy, Transformer, Vocabulary, estimate};

use super::{NAMES_GPT, NamesFigures, NamesRecipe, card, train_names};
use crate::error::ModelError;
use crate::golden;
use crate::output::Staging;
use crate::regenerate;

/// What the vocabulary calls the token that starts and ends a name.
const END_MARK: &str = "<end>";

/// Names of the test vectors, some likely, some not.
const VECTORS: [&str; 5] = ["emma", "mar", "xq", "", "christopherjohn"];

/// Trains names-gpt and writes its folder: circuit, test vectors, model card.
///
/// # Errors
/// Data that cannot be used or a folder that cannot be written; the folder is then as it was.
pub fn build_names_gpt(
    data: &Path,
    out: &Path,
    recipe: &NamesRecipe,
    seed: u64,
) -> Result<NamesFigures, ModelError> {
    let staging = Staging::new(out)?;
    let (model, figures) = train_names(data, recipe, seed)?;
    let circuit = circuit(model, "precise-1024")?;
    circuit.save(staging.folder())?;
    let command = regenerate::command(NAMES_GPT, data, out, seed);
    let vectors = golden::vectors(&circuit, &VECTORS.map(str::to_owned), command.clone())?;
    staging.write("test-vectors.json", &vectors)?;
    let card = card::write(
        &circuit,
        data,
        recipe,
        &figures,
        &estimate(&circuit),
        &command,
    );
    staging.write("MODEL_CARD.md", &card)?;
    staging.publish()?;
    Ok(figures)
}

/// The trained model as a circuit under these parameters.
pub(super) fn circuit(model: Transformer, parameter_set: &str) -> Result<Circuit, ModelError> {
    let letters = ('a'..='z').map(String::from);
    let labels: Vec<String> = std::iter::once(END_MARK.to_owned())
        .chain(letters)
        .collect();
    let description = Description {
        name: NAMES_GPT.to_owned(),
        description: "Continues first names, letter by letter.".to_owned(),
        parameter_set: parameter_set.to_owned(),
        labels: labels.clone(),
        policy: OutputPolicy::Scores,
    };
    let vocabulary = Vocabulary::new(labels, 1, 1)?;
    Ok(Circuit::new(description, vocabulary, model)?)
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::noise::guard_in_stds;
    use cipherformer_circuit::transformer::MARGIN;
    use cipherformer_circuit::{GUARD_LOG2, LUT_HALF_RANGE};
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::decoder::{Numbers, Ranges, Site, export, measure};
    use crate::names::parameters;
    use crate::texts::{Tally, reference_logits, tokens};

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
        let numerics = recipe.numerics();
        let letters = |name: &str| name.bytes().map(|b| b - b'a' + 1).collect();
        let names: Vec<Vec<u8>> = NAMES.into_iter().map(letters).collect();
        let difference = |seed| {
            let mut random = StdRng::seed_from_u64(seed);
            let parameters = parameters::random(&recipe, &mut random).expect("parameters");
            let exact = |ranges: &Ranges| {
                measure(&parameters, &names, &numerics, ranges, Numbers::Exact).expect("a loss")
            };
            let ranges = exact(&recipe.aims()).seen;
            let transformer = export(&parameters, &numerics, &ranges).expect("a transformer");
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
