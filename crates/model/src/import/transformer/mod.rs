//! A transformer: its weights in the shape that training's have, then the same path as theirs.

mod calibrate;
mod limits;
mod load;
mod report;
mod search;
mod seen;

use std::cell::Cell;
use std::path::Path;

use cipherformer_circuit::{
    Circuit, CircuitError, Description, OutputLayout, OutputPolicy, Vocabulary,
};

use super::blame::blame;
use super::checks;
use super::data::{Split, vocabulary};
use super::error::ImportError;
use super::report::Quality;
use super::spec::{TransformerSpec, refuse};
use super::weights::Weights;
use super::{Import, Imported};
use crate::decoder::{Numerics, Outcome, Parameters, Ranges, export};
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
    let labels = labels(&vocabulary);
    let set = checks::parameter_set(import.spec, &spec.parameters, spec.output, &labels)?;
    let float = Float::new(import.spec, spec, vocabulary.len(), set, &mut weights)?;
    weights.finish(&spec.ignore)?;
    let texts = Texts::load(import, &vocabulary, float.parameters.position.dim(0)?)?;
    let maker = Maker {
        description: Description {
            name,
            description: spec.description.clone(),
            parameter_set: spec.parameters.clone(),
            labels,
            policy: OutputPolicy::Scores,
        },
        vocabulary,
        policy: spec.output,
    };
    let calibrated = Calibrated::new(spec, &float, &maker.encode(&texts.calibrate), &maker)?;
    let circuits = maker.circuits(&calibrated)?;
    let plain = float.measure(&maker.encode(&texts.measure))?;
    let cap = calibrated.largest_cap();
    Ok(Imported {
        layers: report::layers(spec, &float, &calibrated)?,
        quality: quality(&circuits, &texts.measure, &plain, cap, import.seed)?,
        calibrated: texts.calibrate.len(),
        measured: texts.measure.len(),
        shared: texts.shared,
        left_out: texts.left_out,
        texts: thin(texts.measure, VECTORS),
        circuit: circuits.answers.unwrap_or(circuits.scores),
    })
}

/// Makes circuits of what was calibrated.
struct Maker {
    /// With all scores as the output: what is chosen must not depend on how little of them clients get.
    description: Description,
    vocabulary: Vocabulary,
    /// What clients get.
    policy: OutputPolicy,
}

/// One circuit, or two.
struct Circuits {
    /// With all scores as the output.
    scores: Circuit,
    /// With what clients get instead, if that is less.
    answers: Option<Circuit>,
}

impl Maker {
    fn build(
        &self,
        parameters: &Parameters,
        numerics: &Numerics,
        ranges: &Ranges,
    ) -> Result<Circuits, ModelError> {
        let body = export(parameters, numerics, ranges)?;
        let circuit = Circuit::new(self.description.clone(), self.vocabulary.clone(), body);
        let scores = circuit.map_err(blamed)?;
        let answers = match self.policy {
            OutputPolicy::Scores => None,
            policy => Some(scores.with_policy(policy).map_err(blamed)?),
        };
        Ok(Circuits { scores, answers })
    }

    fn circuits(&self, calibrated: &Calibrated) -> Result<Circuits, ModelError> {
        let Calibrated {
            parameters,
            numerics,
            ranges,
            ..
        } = calibrated;
        self.build(parameters, numerics, ranges)
    }

    /// Tokens without end marks.
    fn encode(&self, texts: &[String]) -> Vec<Vec<u8>> {
        let token = |letter| token(&self.vocabulary, letter).and_then(|id| u8::try_from(id).ok());
        let encode = |text: &String| text.chars().filter_map(token).collect();
        texts.iter().map(encode).collect()
    }
}

/// What is calibrated with and measured on.
struct Texts {
    calibrate: Vec<String>,
    measure: Vec<String>,
    /// How many to calibrate with were among those to measure on.
    shared: usize,
    /// How many are longer than the context.
    left_out: usize,
}

impl Texts {
    fn load(
        import: &Import<'_>,
        vocabulary: &Vocabulary,
        context: usize,
    ) -> Result<Self, ModelError> {
        let left_out = Cell::new(0);
        let load = |path: &Path| {
            let (texts, long) = short_enough(path, read_texts(path, vocabulary)?, context)?;
            left_out.set(left_out.get() + long);
            Ok(texts)
        };
        let split = Split::new(import, load, |text| text.as_str())?;
        Ok(Self {
            calibrate: thin(split.calibrate, CALIBRATE),
            measure: thin(split.measure, MEASURE),
            shared: split.shared,
            left_out: left_out.get(),
        })
    }
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

/// Every token is a label.
fn labels(vocabulary: &Vocabulary) -> Vec<String> {
    let tokens = (0..vocabulary.len()).filter_map(|id| vocabulary.feature(id));
    tokens.map(str::to_owned).collect()
}

/// At most so many of the texts, evenly taken.
fn thin(texts: Vec<String>, most: usize) -> Vec<String> {
    let step = texts.len().div_ceil(most).max(1);
    texts.into_iter().step_by(step).collect()
}

/// Names the layer of the specification that a circuit's complaint is about.
fn blamed(source: CircuitError) -> ModelError {
    let advice =
        "give attention smaller `integers` or fewer positions, or train with smaller values";
    blame(source, layer, advice)
}

/// The layer that a circuit's node or matrix belongs to.
fn layer(node: &str) -> String {
    let block = node.strip_prefix("block");
    let number = block.and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
    match (number, node) {
        (Some(number), _) => format!("layer {}, block", number + 1),
        // What checks of whole transformers call any of them.
        (None, "block" | "attention" | "transformer") => "the blocks".to_owned(),
        // Logits, and what comes after them.
        _ => "the last layer, dense".to_owned(),
    }
}

/// How well the circuit predicts texts, and how often the best token of what clients get is the float model's.
fn quality(
    circuits: &Circuits,
    texts: &[String],
    float: &Outcome,
    cap: f64,
    seed: u64,
) -> Result<Quality, ModelError> {
    let measured = |mode| -> Result<(Tally, f64), ModelError> {
        let run = |circuit| predict(circuit, texts, &float.best, mode, seed);
        let (tally, agreement) = run(&circuits.scores)?;
        match &circuits.answers {
            Some(answers) => Ok((tally, run(answers)?.1)),
            None => Ok((tally, agreement)),
        }
    };
    let (reference, reference_agreement) = measured(Mode::Reference)?;
    let (simulate, simulate_agreement) = measured(Mode::Simulate)?;
    Ok(Quality::Transformer {
        tokens: reference.tokens,
        float: float.loss,
        reference: reference.cross_entropy(),
        simulate: simulate.cross_entropy(),
        reference_agreement,
        simulate_agreement,
        cap,
    })
}

/// What a circuit makes of texts, and how often its most likely token is the one of this row.
fn predict(
    circuit: &Circuit,
    texts: &[String],
    best: &[u32],
    mode: Mode,
    seed: u64,
) -> Result<(Tally, f64), ModelError> {
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
}

#[cfg(test)]
mod tests {
    use super::layer;

    #[test]
    fn nodes_belong_to_layers() {
        for (node, expected) in [
            ("block1.query", "layer 2, block"),
            ("block3.attention.exp", "layer 4, block"),
            ("attention", "the blocks"),
            ("logits", "the last layer, dense"),
            ("rounding", "the last layer, dense"),
            ("comparison", "the last layer, dense"),
            ("response", "the last layer, dense"),
        ] {
            assert_eq!(layer(node), expected, "{node}");
        }
    }
}
