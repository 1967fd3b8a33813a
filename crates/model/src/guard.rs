//! The prompt guard, from data to folder.

use std::path::Path;

use cipherformer_circuit::{
    Bag, Circuit, CircuitError, Description, Estimate, OutputPolicy, Vocabulary, estimate,
};

use crate::card;
use crate::choose::choose_vocabulary;
use crate::cross::{self, CrossValidation, cross_validate};
use crate::data::{Example, load_examples};
use crate::error::ModelError;
use crate::evaluate::{Mode, evaluate_circuit};
use crate::golden;
use crate::metrics::{LABELS, Metrics, POSITIVE};
use crate::names::NAMES_GPT;
use crate::output::Staging;
use crate::progress;
use crate::recipe::Recipe;
use crate::regenerate;
use crate::train::{FloatModel, train};

/// The circuits there are recipes for.
pub const CIRCUITS: [&str; 2] = [PROMPT_GUARD, NAMES_GPT];

/// Its name.
pub(crate) const PROMPT_GUARD: &str = "prompt-guard";

/// What to train on, and how.
#[derive(Clone, Debug)]
pub struct Training<'a> {
    /// The folder with `train.csv` and `validation.csv`.
    pub data: &'a Path,
    /// The folder to write, replaced as a whole.
    pub out: &'a Path,
    /// Of everything random.
    pub seed: u64,
    /// Whether to train five times more, for a fairer estimate.
    pub cross_validate: bool,
    /// All other numbers.
    pub recipe: Recipe,
}

/// What was measured, for the model card.
#[derive(Clone, Debug)]
pub struct Figures {
    /// How many texts were trained on.
    pub train_examples: usize,
    /// On validation, before quantization.
    pub float: Metrics,
    /// On validation, quantized.
    pub reference: Metrics,
    /// On validation, quantized and with noise.
    pub simulate: Metrics,
    /// On the training texts, if asked for.
    pub cross_validation: Option<CrossValidation>,
    /// Cost and noise.
    pub estimate: Estimate,
}

/// Trains a prompt guard and writes its folder: circuit, test vectors, model card.
///
/// # Errors
/// Data that cannot be used or a folder that cannot be written; the folder is then as it was.
pub fn build_prompt_guard(training: &Training<'_>) -> Result<Figures, ModelError> {
    let recipe = &training.recipe;
    let examples = load_examples(&training.data.join("train.csv"), &LABELS)?;
    let validation = load_examples(&training.data.join("validation.csv"), &LABELS)?;
    check_classes(training.data, &examples)?;
    let staging = Staging::new(training.out)?;
    let vocabulary = choose_vocabulary(&examples, recipe)?;
    let bar = progress::bar("training", recipe.steps(examples.len()));
    let bags_of = bags(&examples, &vocabulary);
    let step = || bar.inc(1);
    let float = train(&bags_of, vocabulary.len(), recipe, training.seed, step)?;
    bar.finish_and_clear();
    let circuit = circuit(&float, vocabulary, recipe)?;
    let figures = measure(training, &examples, &validation, &float, &circuit)?;
    circuit.save(staging.folder())?;
    let command = command(training);
    let vectors = golden::vectors(&circuit, &[], command.clone())?;
    staging.write("test-vectors.json", &vectors)?;
    let card = card::write(&circuit, training, &figures, &command);
    staging.write("MODEL_CARD.md", &card)?;
    staging.publish()?;
    Ok(figures)
}

/// Every text as a bag.
pub(crate) fn bags(examples: &[Example], vocabulary: &Vocabulary) -> Vec<(Bag, bool)> {
    let bag = |example: &Example| (vocabulary.bag(&example.text), example.label == POSITIVE);
    examples.iter().map(bag).collect()
}

/// The trained model as a circuit.
pub(crate) fn circuit(
    model: &FloatModel,
    vocabulary: Vocabulary,
    recipe: &Recipe,
) -> Result<Circuit, CircuitError> {
    let description = Description {
        name: PROMPT_GUARD.to_owned(),
        description: "Tells prompt injections from benign prompts.".to_owned(),
        parameter_set: "fast-1024".to_owned(),
        labels: LABELS.map(str::to_owned).to_vec(),
        policy: OutputPolicy::Scores,
    };
    Circuit::new(description, vocabulary, model.quantize(recipe))
}

fn measure(
    training: &Training<'_>,
    examples: &[Example],
    validation: &[Example],
    float: &FloatModel,
    circuit: &Circuit,
) -> Result<Figures, ModelError> {
    let (recipe, seed) = (&training.recipe, training.seed);
    let evaluate = |mode| -> Result<Metrics, ModelError> {
        Ok(evaluate_circuit(circuit, validation, mode, seed)?.metrics)
    };
    let cross_validation = if training.cross_validate {
        let bar = progress::bar("cross-validating", cross::steps(examples.len(), recipe));
        let result = cross_validate(examples, recipe, seed, || bar.inc(1))?;
        bar.finish_and_clear();
        Some(result)
    } else {
        None
    };
    let bags = bags(validation, circuit.vocabulary());
    let labels = validation.iter().map(|example| example.label);
    let scores = bags
        .into_iter()
        .zip(labels)
        .map(|((bag, _), label)| (float.scores(&bag), label));
    Ok(Figures {
        train_examples: examples.len(),
        float: Metrics::new(scores),
        reference: evaluate(Mode::Reference)?,
        simulate: evaluate(Mode::Simulate)?,
        cross_validation,
        estimate: estimate(circuit),
    })
}

fn check_classes(data: &Path, examples: &[Example]) -> Result<(), ModelError> {
    let injections = examples
        .iter()
        .filter(|example| example.label == POSITIVE)
        .count();
    if injections == 0 || injections == examples.len() {
        return Err(ModelError::Data {
            path: data.join("train.csv"),
            line: None,
            reason: "all rows have the same label; add rows of the other one".to_owned(),
        });
    }
    Ok(())
}

fn command(training: &Training<'_>) -> String {
    let Training {
        data, out, seed, ..
    } = *training;
    let mut command = regenerate::command(PROMPT_GUARD, data, out, seed);
    if training.cross_validate {
        command.push_str(" --cross-validate");
    }
    command
}
