//! A transformer: its weights in the shape that training's have, then the same path as theirs.

mod calibrate;
mod load;
mod report;

use std::cell::Cell;
use std::path::Path;

use cipherformer_circuit::{Circuit, CircuitError, Description, OutputLayout, Vocabulary};

use super::data::{Split, vocabulary};
use super::error::ImportError;
use super::report::Quality;
use super::spec::{TransformerSpec, refuse};
use super::weights::Weights;
use super::{Import, Imported};
use crate::decoder::{Numbers, Ranges, export, measure};
use crate::error::ModelError;
use crate::evaluate::{Evaluator, Mode};
use crate::progress;
use crate::texts::{Tally, bags, read_texts, short_enough, token, tokens};
use calibrate::Calibrated;
use load::Float;

/// Ranges are calibrated on so many texts at most, evenly taken from all.
const CALIBRATE: usize = 2048;

/// Figures are of so many texts at most, as the interpreter takes a millisecond or more a character.
const MEASURE: usize = 512;

/// How many texts get golden vectors.
const VECTORS: usize = 4;

/// Builds and measures.
pub(super) fn import(
    import: &Import<'_>,
    name: String,
    spec: &TransformerSpec,
    mut weights: Weights<'_>,
) -> Result<Imported, ModelError> {
    let vocabulary = vocabulary(import.spec, &spec.input.vocabulary, 1, 1)?;
    check_letters(import.spec, &vocabulary)?;
    let float = Float::new(import.spec, spec, vocabulary.len(), &mut weights)?;
    weights.finish(&spec.ignore)?;
    let context = float.parameters.position.dim(0)?;
    let left_out = Cell::new(0);
    let load = |path: &Path| {
        let (texts, long) = short_enough(path, read_texts(path, &vocabulary)?, context)?;
        left_out.set(left_out.get() + long);
        Ok(texts)
    };
    let split = Split::new(import, load, |text| text.as_str())?;
    let (calibrate, texts) = (
        thin(split.calibrate, CALIBRATE),
        thin(split.measure, MEASURE),
    );
    let encode = |texts: &[String]| -> Vec<Vec<u8>> {
        texts.iter().map(|text| encode(&vocabulary, text)).collect()
    };
    let calibrated = Calibrated::new(&float, &encode(&calibrate))?;
    let plain = measure(
        &float.parameters,
        &encode(&texts),
        &float.numerics,
        &Ranges::default(),
        Numbers::Float,
    )?;
    let description = Description {
        name,
        description: spec.description.clone(),
        parameter_set: spec.parameters.clone(),
        labels: (0..vocabulary.len())
            .filter_map(|id| vocabulary.feature(id).map(str::to_owned))
            .collect(),
        policy: spec.output,
    };
    let body = export(
        &calibrated.parameters,
        &calibrated.numerics,
        &calibrated.ranges,
    )?;
    let circuit = Circuit::new(description, vocabulary, body).map_err(blame)?;
    Ok(Imported {
        layers: report::layers(spec, &float, &calibrated)?,
        quality: quality(
            &circuit,
            &texts,
            (plain.loss, &plain.best),
            calibrated.largest_cap(),
            import.seed,
        )?,
        calibrated: calibrate.len(),
        measured: texts.len(),
        left_out: left_out.get(),
        texts: thin(texts, VECTORS),
        circuit,
    })
}

/// Clients spell texts character by character.
fn check_letters(path: &Path, vocabulary: &Vocabulary) -> Result<(), ImportError> {
    let mut letters = (1..vocabulary.len()).filter_map(|id| vocabulary.feature(id));
    if let Some(token) = letters.find(|token| token.chars().count() != 1) {
        let reason = format!(
            "the vocabulary has the token {token:?}; after the first one, which starts and ends texts, tokens of a single \
             character are supported"
        );
        return Err(refuse(path, reason));
    }
    if vocabulary.len() > usize::from(u8::MAX) + 1 {
        let reason = format!(
            "the vocabulary has {} tokens; at most 256 are supported",
            vocabulary.len()
        );
        return Err(refuse(path, reason));
    }
    Ok(())
}

/// At most so many of the texts, evenly taken.
fn thin(texts: Vec<String>, most: usize) -> Vec<String> {
    let step = texts.len().div_ceil(most).max(1);
    texts.into_iter().step_by(step).collect()
}

/// Tokens without end marks.
fn encode(vocabulary: &Vocabulary, text: &str) -> Vec<u8> {
    let token = |letter| token(vocabulary, letter).and_then(|id| u8::try_from(id).ok());
    text.chars().filter_map(token).collect()
}

/// Names the layer of the specification that a circuit's complaint is about.
fn blame(source: CircuitError) -> ModelError {
    let (CircuitError::NoRoom { layer, .. } | CircuitError::NoiseBudget { layer, .. }) = &source
    else {
        return source.into();
    };
    let number = layer
        .strip_prefix("block")
        .and_then(|rest| rest.split('.').next());
    let layer = match number.and_then(|number| number.parse::<usize>().ok()) {
        Some(block) => format!("layer {}, block", block + 1),
        None => "the last layer, dense".to_owned(),
    };
    let advice =
        "give attention smaller `integers` or fewer positions, or train with smaller values"
            .to_owned();
    ImportError::Circuit {
        layer,
        source: Box::new(source),
        advice,
    }
    .into()
}

/// How well the circuit predicts texts, and how often as the float model, whose loss and most likely tokens these are.
fn quality(
    circuit: &Circuit,
    texts: &[String],
    (float, best): (f64, &[u32]),
    cap: f64,
    seed: u64,
) -> Result<Quality, ModelError> {
    let run = |mode| -> Result<(Tally, f64), ModelError> {
        let mut evaluator = Evaluator::new(circuit, mode, seed)?;
        let bar = progress::bar("evaluating", texts.len());
        let (mut tally, mut best, mut same) = (Tally::default(), best.iter(), 0usize);
        for text in texts {
            let tokens = tokens(circuit, text)?;
            let logits = evaluator.outputs(circuit, &bags(&tokens))?;
            let found = logits.iter().map(|logits| OutputLayout::argmax(logits));
            same += found
                .zip(&mut best)
                .filter(|(a, b)| *a == **b as usize)
                .count();
            tally.add(&tokens, &logits, None);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let agreement = same as f64 / tally.tokens as f64;
        Ok((tally, agreement))
    };
    let (reference, reference_agreement) = run(Mode::Reference)?;
    let (simulate, simulate_agreement) = run(Mode::Simulate)?;
    Ok(Quality::Transformer {
        tokens: reference.tokens,
        float,
        reference: reference.cross_entropy(),
        simulate: simulate.cross_entropy(),
        reference_agreement,
        simulate_agreement,
        cap,
    })
}
