//! A classifier: its layers in floating point, as small integers, and how far those are from each other.

mod layer;
mod stack;

use std::collections::BTreeSet;
use std::path::Path;

use cipherformer_circuit::graph::{Node, Value};
use cipherformer_circuit::{Circuit, CircuitError, Description, OutputLayout, OutputPolicy};

use super::blame::blame;
use super::checks;
use super::data::{Split, vocabulary};
use super::error::ImportError;
use super::report::{ImportedLayer, Quality, worst_error};
use super::spec::{ClassifierSpec, refuse};
use super::weights::Weights;
use super::{Import, Imported};
use crate::data::{Example, load_examples};
use crate::error::ModelError;
use crate::evaluate::{Mode, scores};
use crate::metrics::Metrics;
use layer::FloatLayer;
use stack::{FloatStack, Seen};

/// Builds and measures.
pub(super) fn import(
    import: &Import<'_>,
    name: String,
    spec: &ClassifierSpec,
    mut weights: Weights<'_>,
) -> Result<Imported, ModelError> {
    check_labels(import.spec, &spec.labels)?;
    checks::parameter_set(import.spec, &spec.parameters, spec.output, &spec.labels)?;
    let input = &spec.input;
    let vocabulary = vocabulary(
        import.spec,
        &input.vocabulary,
        input.max_features,
        input.min_count,
    )?;
    let float = FloatStack::new(import.spec, spec, &vocabulary, &mut weights)?;
    weights.finish(&spec.ignore)?;
    let load = |path: &Path| load_examples(path, &spec.labels);
    let split = Split::new(import, load, |example| example.text.as_str())?;
    let description = Description {
        name,
        description: spec.description.clone(),
        parameter_set: spec.parameters.clone(),
        labels: spec.labels.clone(),
        policy: spec.output,
    };
    let circuit = Circuit::new(description, vocabulary, float.quantize())
        .map_err(|source| float.blame(source))?;
    let seen = float.calibrate(&split.calibrate, circuit.vocabulary());
    Ok(Imported {
        layers: float.report(&circuit, &seen),
        quality: float.measure(&circuit, &split.measure, import.seed)?,
        calibrated: split.calibrate.len(),
        measured: split.measure.len(),
        shared: split.shared,
        left_out: 0,
        texts: Vec::new(),
        circuit,
    })
}

/// Labels that verdicts and data can tell apart.
fn check_labels(path: &Path, labels: &[String]) -> Result<(), ImportError> {
    let distinct: BTreeSet<&String> = labels.iter().collect();
    if labels.len() >= 2 && distinct.len() == labels.len() {
        return Ok(());
    }
    let reason = format!("the labels {labels:?} are not two or more different ones");
    Err(refuse(path, reason))
}

/// Which layer makes the values that a circuit's node complains about: 0 is the embedding, `last` the last dense layer.
fn blamed(node: &str, last: usize) -> usize {
    let number = |kind| node.strip_prefix(kind)?.parse::<usize>().ok();
    let layer = match (number("activation"), number("dense")) {
        // Its LUTs read what the layer before them made, noise included.
        (Some(activation), _) => activation.saturating_sub(1),
        (_, Some(dense)) => dense,
        _ if node == "embedding" => 0,
        // What comes after the scores, by other names.
        _ => last,
    };
    layer.min(last)
}

impl FloatStack {
    /// Names the layer of the specification that a circuit's complaint is about.
    fn blame(&self, source: CircuitError) -> ModelError {
        let layer = |node: &str| {
            let index = blamed(node, self.blocks.len());
            let layer = self.layers().nth(index).expect("at most the last one");
            format!("{}, tensor {:?}", layer.name, layer.tensor)
        };
        let advice =
            "give this layer fewer `bits`, or train it with fewer inputs or smaller weights";
        blame(source, layer, advice)
    }

    fn report(&self, circuit: &Circuit, seen: &Seen) -> Vec<ImportedLayer> {
        let report = |(index, layer): (usize, &FloatLayer)| {
            let node = match index {
                0 => "embedding".to_owned(),
                index => format!("dense{index}"),
            };
            ImportedLayer {
                layer: layer.name.clone(),
                tensor: layer.tensor.clone(),
                shape: layer.shape.to_vec(),
                largest_integer: layer.largest_integer(),
                steps: layer.steps(),
                error: worst_error(&layer.weights, &layer.rounded()),
                range: seen[index],
                possible: Some(possible(
                    circuit.nodes(0),
                    &node,
                    index == self.blocks.len(),
                    &layer.bias,
                )),
            }
        };
        self.layers().enumerate().map(report).collect()
    }

    /// Verdicts are those of what clients get; cross-entropies are of the scores before the policy leaves little of them.
    fn measure(
        &self,
        circuit: &Circuit,
        examples: &[Example],
        seed: u64,
    ) -> Result<Quality, ModelError> {
        let float: Vec<Vec<f64>> = examples
            .iter()
            .map(|example| self.scores(&circuit.vocabulary().bag(&example.text)))
            .collect();
        let labels = || examples.iter().map(|example| example.label);
        let metrics = |scores: &[Vec<f64>]| Metrics::new(scores.iter().cloned().zip(labels()));
        let agreement = |scores: &[Vec<f64>]| {
            let pairs = scores.iter().zip(&float);
            let same = pairs.filter(|(a, b)| OutputLayout::argmax(a) == OutputLayout::argmax(b));
            same.count() as f64 / examples.len() as f64
        };
        let whole = match circuit.manifest().output.policy {
            OutputPolicy::Scores => None,
            _ => Some(circuit.with_policy(OutputPolicy::Scores)),
        };
        let whole = whole.transpose().map_err(|source| self.blame(source))?;
        let measured = |mode| -> Result<(Metrics, f64), ModelError> {
            let (answers, _) = scores(circuit, examples, mode, seed)?;
            let mut found = metrics(&answers);
            if let Some(whole) = &whole {
                found.cross_entropy =
                    metrics(&scores(whole, examples, mode, seed)?.0).cross_entropy;
            }
            Ok((found, agreement(&answers)))
        };
        let (exact, noisy) = (measured(Mode::Reference)?, measured(Mode::Simulate)?);
        Ok(Quality::Classifier {
            float: metrics(&float),
            reference: exact.0,
            simulate: noisy.0,
            reference_agreement: exact.1,
            simulate_agreement: noisy.1,
        })
    }
}

/// The largest magnitude that any text can give a layer's outputs. Biases of all layers but the last are still to be added.
fn possible(nodes: &[Node], name: &str, last: bool, bias: &[f64]) -> f64 {
    let node = nodes.iter().find(|node| node.name == name);
    let values = node.iter().flat_map(|node| &node.values).enumerate();
    let bound = |(output, value): (usize, &Value)| {
        let bias = if last { 0.0 } else { bias[output].abs() };
        value.bound / value.scale + bias
    };
    values.map(bound).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::blamed;

    #[test]
    fn nodes_are_blamed_on_the_layer_that_makes_their_inputs() {
        for (node, layer) in [
            ("embedding", 0),
            ("activation1", 0),
            ("dense1", 1),
            ("activation2", 1),
            ("dense2", 2),
            ("rounding", 2),
            ("differences", 2),
            ("comparison", 2),
            ("joined", 2),
            ("top", 2),
            ("response", 2),
            ("manifest", 2),
        ] {
            assert_eq!(blamed(node, 2), layer, "{node}");
        }
    }
}
