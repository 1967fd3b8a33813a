//! The circuit names-gpt, from data to folder.

use std::path::Path;

use cipherformer_circuit::{Circuit, Description, OutputPolicy, Transformer, Vocabulary, estimate};
use serde::{Deserialize, Serialize};

use super::evaluate::{reference_logits, tokens};
use super::{NAMES_GPT, NamesFigures, NamesRecipe, card, train_names};
use crate::error::ModelError;
use crate::output::Staging;
use crate::regenerate;

/// What the vocabulary calls the token that starts and ends a name.
const END_MARK: &str = "<end>";

/// Names of the test vectors, some likely, some not.
const VECTORS: [&str; 5] = ["emma", "mar", "xq", "", "christopherjohn"];

/// The content of `test-vectors.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamesGolden {
    /// What the file is for.
    pub about: String,
    /// The command that writes it anew.
    pub how_to_regenerate: String,
    /// Digest of the circuit that these are the vectors of.
    pub digest: String,
    /// One for each name.
    pub vectors: Vec<NamesVector>,
}

/// One name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamesVector {
    /// The name, or its beginning.
    pub text: String,
    /// The logits after the start mark and after every letter.
    pub logits: Vec<Vec<f64>>,
}

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
    let golden = NamesGolden::new(&circuit, command.clone())?;
    let golden = serde_json::to_string_pretty(&golden).expect("plain data");
    staging.write("test-vectors.json", &format!("{golden}\n"))?;
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

impl NamesGolden {
    /// The vectors of a circuit.
    ///
    /// # Errors
    /// A circuit that does not know the letters of names.
    pub(crate) fn new(circuit: &Circuit, how_to_regenerate: String) -> Result<Self, ModelError> {
        let vector = |text: &&str| -> Result<NamesVector, ModelError> {
            Ok(NamesVector {
                text: (*text).to_owned(),
                logits: reference_logits(circuit, &tokens(circuit, text)?)?,
            })
        };
        Ok(Self {
            about: "What the reference evaluator gives. Logits agree to 1e-9.".to_owned(),
            how_to_regenerate,
            digest: circuit.manifest().digest.clone(),
            vectors: VECTORS.iter().map(vector).collect::<Result<_, _>>()?,
        })
    }
}
