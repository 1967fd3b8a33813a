//! A classifier: its layers in floating point, as small integers, and how far those are from each other.

use std::path::Path;

use cipherformer_circuit::graph::{Node, Value};
use cipherformer_circuit::{
    Bag, Block, Circuit, CircuitError, Dense, Description, Embedding, Function, Model,
    OutputLayout, Quantized, Vocabulary,
};

use super::data::{Split, vocabulary};
use super::error::ImportError;
use super::report::{ImportedLayer, Quality, worst_error};
use super::spec::{ClassifierLayer, ClassifierSpec, DenseLayer, EmbeddingLayer, limit, refuse};
use super::weights::{Axis, Weights, values};
use super::{Import, Imported};
use crate::data::{Example, load_examples};
use crate::error::ModelError;
use crate::evaluate::{Mode, scores};
use crate::metrics::Metrics;
use crate::progress;
use crate::quantize::{columns, rows, two_sided};

/// Builds and measures.
pub(super) fn import(
    import: &Import<'_>,
    name: String,
    spec: &ClassifierSpec,
    mut weights: Weights<'_>,
) -> Result<Imported, ModelError> {
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
        left_out: 0,
        texts: Vec::new(),
        circuit,
    })
}

/// The model as its owner trained it.
struct FloatStack {
    embedding: FloatLayer,
    blocks: Vec<(Function, FloatLayer)>,
    /// Whether the last layer has one output for two labels.
    logit: bool,
}

/// A matrix and a bias for each output.
struct FloatLayer {
    /// Number in the specification, kind, tensor.
    name: String,
    tensor: String,
    /// \[entries x width\] of an embedding, \[outputs x inputs\] of a dense layer.
    weights: Vec<f32>,
    shape: [usize; 2],
    bias: Vec<f64>,
    channels: Channels,
    limit: i8,
}

/// What has a step of its own.
#[derive(Clone, Copy)]
enum Channels {
    Rows,
    Columns,
}

/// Smallest and largest value of each layer's outputs, biases included.
type Seen = Vec<[f64; 2]>;

impl FloatStack {
    fn new(
        path: &Path,
        spec: &ClassifierSpec,
        vocabulary: &Vocabulary,
        weights: &mut Weights<'_>,
    ) -> Result<Self, ModelError> {
        let structure = || {
            let reason = "the layers of a classifier are an embedding, then activations and dense layers in turn, at \
                          least one of each; where nothing is between two matrices, multiply them first";
            refuse(path, reason.to_owned())
        };
        let (first, rest) = spec.layers.split_first().ok_or_else(structure)?;
        let ClassifierLayer::Embedding(first) = first else {
            return Err(structure().into());
        };
        let embedding = FloatLayer::embedding(path, first, vocabulary, weights)?;
        let mut width = embedding.shape[1];
        let (pairs, []) = rest.as_chunks::<2>() else {
            return Err(structure().into());
        };
        let mut blocks = Vec::new();
        for (index, pair) in pairs.iter().enumerate() {
            let [
                ClassifierLayer::Activation(activation),
                ClassifierLayer::Dense(dense),
            ] = pair
            else {
                return Err(structure().into());
            };
            let labels = (index + 1 == pairs.len()).then_some(spec.labels.len());
            let name = format!("layer {}, dense", 2 * index + 3);
            let layer = FloatLayer::dense(path, name, dense, width, labels, weights)?;
            width = layer.shape[0];
            blocks.push((activation.function.into(), layer));
        }
        let (_, last) = blocks.last().ok_or_else(structure)?;
        let logit = last.shape[0] == 1 && spec.labels.len() == 2;
        Ok(Self {
            embedding,
            blocks,
            logit,
        })
    }

    fn layers(&self) -> impl Iterator<Item = &FloatLayer> {
        std::iter::once(&self.embedding).chain(self.blocks.iter().map(|(_, layer)| layer))
    }

    /// What every layer puts out for a bag; the last one scores, one a label.
    fn outputs(&self, bag: &Bag) -> Vec<Vec<f64>> {
        let mut all = vec![self.embedding.sum(bag)];
        for (activation, layer) in &self.blocks {
            let inputs = all.last().expect("there is the embedding's");
            let inputs: Vec<f64> = inputs.iter().map(|&x| activation.evaluate(x)).collect();
            all.push(layer.apply(&inputs));
        }
        if self.logit
            && let Some(scores) = all.last_mut()
        {
            *scores = vec![-scores[0] / 2.0, scores[0] / 2.0];
        }
        all
    }

    /// One a label.
    fn scores(&self, bag: &Bag) -> Vec<f64> {
        self.outputs(bag)
            .pop()
            .expect("there is the embedding's at least")
    }

    fn calibrate(&self, examples: &[Example], vocabulary: &Vocabulary) -> Seen {
        let bar = progress::bar("calibrating", examples.len());
        let mut seen = vec![[f64::INFINITY, f64::NEG_INFINITY]; 1 + self.blocks.len()];
        for example in examples {
            let outputs = self.outputs(&vocabulary.bag(&example.text));
            for ([low, high], values) in seen.iter_mut().zip(outputs) {
                *low = values.iter().copied().fold(*low, f64::min);
                *high = values.iter().copied().fold(*high, f64::max);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        seen
    }

    fn quantize(&self) -> Model {
        let mut blocks: Vec<Block> = self
            .blocks
            .iter()
            .map(|(activation, layer)| Block {
                activation: *activation,
                dense: Dense {
                    weights: layer.quantized(),
                    bias: layer.bias.clone(),
                },
            })
            .collect();
        if self.logit
            && let Some(last) = blocks.last_mut()
        {
            last.dense = two_sided(&last.dense);
        }
        let layer = &self.embedding;
        Model {
            embedding: Embedding {
                table: layer.quantized(),
                bias: layer.bias.clone(),
            },
            blocks,
        }
    }

    /// Names the layer of the specification that a circuit's complaint is about.
    fn blame(&self, source: CircuitError) -> ModelError {
        let (CircuitError::NoRoom { layer, .. } | CircuitError::NoiseBudget { layer, .. }) =
            &source
        else {
            return source.into();
        };
        let digits = layer.trim_start_matches(|c: char| !c.is_ascii_digit());
        let index = digits.parse().unwrap_or(0).min(self.blocks.len());
        let blamed = self.layers().nth(index).expect("at most the last one");
        let advice =
            "give this layer fewer `bits`, or train it with fewer inputs or smaller weights"
                .to_owned();
        let layer = format!("{}, tensor {:?}", blamed.name, blamed.tensor);
        ImportError::Circuit {
            layer,
            source: Box::new(source),
            advice,
        }
        .into()
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
                largest_integer: layer.limit.unsigned_abs(),
                steps: layer.quantized().step.len(),
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
        let (reference, _) = scores(circuit, examples, Mode::Reference, seed)?;
        let (simulate, _) = scores(circuit, examples, Mode::Simulate, seed)?;
        Ok(Quality::Classifier {
            float: metrics(&float),
            reference: metrics(&reference),
            simulate: metrics(&simulate),
            reference_agreement: agreement(&reference),
            simulate_agreement: agreement(&simulate),
        })
    }
}

impl FloatLayer {
    fn embedding(
        path: &Path,
        spec: &EmbeddingLayer,
        vocabulary: &Vocabulary,
        weights: &mut Weights<'_>,
    ) -> Result<Self, ModelError> {
        let name = "layer 1, embedding".to_owned();
        let features = Axis::Is("features, one a line of the vocabulary", vocabulary.len());
        let tensor = weights.take(&name, &spec.weight, &[features, Axis::Any("width")])?;
        let (rows, width) = tensor.dims2()?;
        Ok(Self {
            bias: bias(&name, spec.bias.as_deref(), width, weights)?,
            limit: limit(path, &name, spec.bits)?,
            channels: Channels::Columns,
            tensor: spec.weight.clone(),
            weights: values(&tensor)?,
            shape: [rows, width],
            name,
        })
    }

    /// `labels` are of the last layer.
    fn dense(
        path: &Path,
        name: String,
        spec: &DenseLayer,
        inputs: usize,
        labels: Option<usize>,
        weights: &mut Weights<'_>,
    ) -> Result<Self, ModelError> {
        let inputs = Axis::Is("inputs", inputs);
        let outputs = match labels {
            // A logit is allowed for two labels; anything but that must be one output a label.
            Some(2) if weights.rows(&spec.weight) == Some(1) => Axis::Is("output", 1),
            Some(labels) => Axis::Is("outputs, one a label", labels),
            None => Axis::Any("outputs"),
        };
        let tensor = weights.take(&name, &spec.weight, &[outputs, inputs])?;
        let (outputs, inputs) = tensor.dims2()?;
        Ok(Self {
            bias: bias(&name, spec.bias.as_deref(), outputs, weights)?,
            limit: limit(path, &name, spec.bits)?,
            channels: Channels::Rows,
            tensor: spec.weight.clone(),
            weights: values(&tensor)?,
            shape: [outputs, inputs],
            name,
        })
    }

    /// The embedding of a bag.
    fn sum(&self, bag: &Bag) -> Vec<f64> {
        let width = self.shape[1];
        let mut sums = vec![0.0; width];
        for feature in bag.features() {
            let row = &self.weights[feature * width..][..width];
            for (sum, &weight) in sums.iter_mut().zip(row) {
                *sum += f64::from(weight);
            }
        }
        let terms = sums.iter().zip(&self.bias);
        terms.map(|(sum, bias)| bias + bag.weight() * sum).collect()
    }

    /// The dense layer's outputs.
    fn apply(&self, inputs: &[f64]) -> Vec<f64> {
        let rows = self.weights.chunks(self.shape[1]).zip(&self.bias);
        rows.map(|(row, bias)| {
            let terms = row.iter().zip(inputs);
            bias + terms.map(|(&w, x)| f64::from(w) * x).sum::<f64>()
        })
        .collect()
    }

    fn quantized(&self) -> Quantized {
        let [outputs, width] = self.shape;
        match self.channels {
            Channels::Rows => rows(&self.weights, outputs, self.limit),
            Channels::Columns => columns(&self.weights, width, self.limit),
        }
    }

    /// What the integers stand for.
    fn rounded(&self) -> Vec<f64> {
        let Quantized { integers, step } = self.quantized();
        let width = self.shape[1];
        let integers = integers.data().iter().enumerate();
        let value = |(index, &w): (usize, &i8)| {
            let channel = match self.channels {
                Channels::Rows => index / width,
                Channels::Columns => index % width,
            };
            f64::from(w) * step[channel]
        };
        integers.map(value).collect()
    }
}

/// A bias for each output; zeros if there is none.
fn bias(
    layer: &str,
    tensor: Option<&str>,
    outputs: usize,
    weights: &mut Weights<'_>,
) -> Result<Vec<f64>, ModelError> {
    let Some(tensor) = tensor else {
        return Ok(vec![0.0; outputs]);
    };
    let bias = weights.take(layer, tensor, &[Axis::Is("biases, one an output", outputs)])?;
    Ok(values(&bias)?.into_iter().map(f64::from).collect())
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
