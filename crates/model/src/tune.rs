//! Tuning a circuit's parameters, and writing what was chosen.

use std::fs;
use std::path::Path;

use cipherformer_circuit::{Body, Circuit, Goal, Tuning, candidates, tune};

use crate::data::refuse;
use crate::error::ModelError;
use crate::golden::{self, TextsGolden};
use crate::output::Staging;
use crate::progress;

/// Chooses parameters for a circuit, with a progress bar.
///
/// # Errors
/// No parameters will do; the error says which operation is impossible, and by how many bits.
pub fn tune_circuit(circuit: &Circuit, goal: &Goal) -> Result<Tuning, ModelError> {
    let bar = progress::bar("trying parameter sets", candidates().len());
    let tuning = tune(circuit, goal, |tried| bar.set_position(tried as u64));
    bar.finish_and_clear();
    Ok(tuning?)
}

/// Writes the circuit `source` under its chosen parameters to a folder: with test vectors of its own, and its model card,
/// which says what was chosen and that its figures are from before.
///
/// # Errors
/// A folder that cannot be read or written; what was there is then as it was.
pub fn write_tuned(
    circuit: &Circuit,
    tuning: &Tuning,
    source: &Path,
    out: &Path,
) -> Result<(), ModelError> {
    let chosen = &tuning.chosen;
    if circuit.parameters().name == chosen.parameter_set && source == out {
        return Ok(());
    }
    let tuned = circuit.with_parameters(&chosen.parameter_set)?;
    let card = source.join("MODEL_CARD.md");
    let card = fs::read_to_string(&card).map_err(|source| ModelError::File {
        action: "read",
        path: card,
        source,
    })?;
    let staging = Staging::new(out)?;
    tuned.save(staging.folder())?;
    staging.write("test-vectors.json", &vectors(&tuned, source)?)?;
    staging.write(
        "MODEL_CARD.md",
        &(before(&card).to_owned() + &note(&card, circuit, tuning)),
    )?;
    staging.publish()
}

const MEASURED: &str = "the figures above were measured under `";

const HEADING: &str = "\n## Parameters chosen by tuning\n";

/// A card without the note of an earlier tuning.
fn before(card: &str) -> &str {
    card.split(HEADING).next().unwrap_or(card)
}

/// Says what was chosen, and under which set the card's figures were measured: that of the first note, if there is one.
fn note(card: &str, circuit: &Circuit, tuning: &Tuning) -> String {
    let chosen = &tuning.chosen;
    let first = card
        .split_once(MEASURED)
        .and_then(|(_, rest)| rest.split('`').next());
    let measured = first.unwrap_or(circuit.parameters().name);
    format!(
        "{HEADING}\n`cipherformer-model tune` chose `{}` among {} candidates; {MEASURED}{measured}`. \
         Predicted: worst input noise {:.3} % of the range, failures below 2^{:.1}, an evaluation key of {} bytes.\n",
        chosen.parameter_set,
        tuning.candidates,
        100.0 * chosen.worst_input_noise,
        chosen.worst_failure_log2,
        chosen.key_bytes
    )
}

/// Test vectors of the same texts as the source's.
fn vectors(circuit: &Circuit, source: &Path) -> Result<String, ModelError> {
    let command = format!(
        "cargo run --release --bin cipherformer-model -- tune {}",
        source.display()
    );
    let texts = match circuit.body() {
        Body::Classifier(_) => Vec::new(),
        Body::Transformer(_) => texts(&source.join("test-vectors.json"))?,
    };
    Ok(golden::vectors(circuit, &texts, command)?)
}

fn texts(path: &Path) -> Result<Vec<String>, ModelError> {
    let json = fs::read_to_string(path).map_err(|source| ModelError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let golden: TextsGolden = serde_json::from_str(&json).map_err(|error| {
        let reason =
            format!("these are no test vectors of a circuit that continues texts: {error}");
        refuse(path, None, &reason)
    })?;
    Ok(golden
        .vectors
        .into_iter()
        .map(|vector| vector.text)
        .collect())
}
