//! The model as its owner trained it, and as small integers.

use std::path::Path;

use cipherformer_circuit::{
    Bag, Block, Dense, Embedding, Function, Model, OutputPolicy, Vocabulary,
};

use super::layer::FloatLayer;
use crate::data::Example;
use crate::error::ModelError;
use crate::import::spec::{
    ActivationLayer, ClassifierLayer, ClassifierSpec, DenseLayer, EmbeddingLayer, refuse,
};
use crate::import::weights::Weights;
use crate::progress;
use crate::quantize::two_sided;

/// The model as its owner trained it.
pub(super) struct FloatStack {
    pub(super) embedding: FloatLayer,
    pub(super) blocks: Vec<(Function, FloatLayer)>,
    /// Whether the last layer has one output for two labels.
    logit: bool,
}

/// Smallest and largest value of each layer's outputs, biases included.
pub(super) type Seen = Vec<[f64; 2]>;

impl FloatStack {
    pub(super) fn new(
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
        let (first, pairs) = structured(&spec.layers).ok_or_else(structure)?;
        let embedding = FloatLayer::embedding(path, first, vocabulary, weights)?;
        let mut width = embedding.shape[1];
        let mut blocks = Vec::new();
        for (index, (activation, dense)) in pairs.iter().enumerate() {
            let last = index + 1 == pairs.len();
            let labels = last.then_some(spec.labels.len());
            let name = format!("layer {}, dense", 2 * index + 3);
            let mut layer = FloatLayer::dense(path, name, dense, width, labels, weights)?;
            if last && spec.output == OutputPolicy::TopOne {
                layer.share_step();
            }
            width = layer.shape[0];
            blocks.push((activation.function.into(), layer));
        }
        Ok(Self {
            embedding,
            blocks,
            logit: width == 1 && spec.labels.len() == 2,
        })
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = &FloatLayer> {
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
    pub(super) fn scores(&self, bag: &Bag) -> Vec<f64> {
        self.outputs(bag)
            .pop()
            .expect("there is the embedding's at least")
    }

    pub(super) fn calibrate(&self, examples: &[Example], vocabulary: &Vocabulary) -> Seen {
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

    pub(super) fn quantize(&self) -> Model {
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
}

/// An embedding, then at least one activation and dense layer; `None` if these are not that.
fn structured(layers: &[ClassifierLayer]) -> Option<(&EmbeddingLayer, Vec<Pair<'_>>)> {
    let (ClassifierLayer::Embedding(first), rest) = layers.split_first()? else {
        return None;
    };
    let (pairs, []) = rest.as_chunks::<2>() else {
        return None;
    };
    let pairs = pairs.iter().map(|pair| match pair {
        [
            ClassifierLayer::Activation(activation),
            ClassifierLayer::Dense(dense),
        ] => Some((activation, dense)),
        _ => None,
    });
    let pairs: Vec<Pair<'_>> = pairs.collect::<Option<_>>()?;
    (!pairs.is_empty()).then_some((first, pairs))
}

type Pair<'a> = (&'a ActivationLayer, &'a DenseLayer);
