//! One layer of a classifier: its weights in floating point and as integers.

use std::path::Path;

use cipherformer_circuit::{Bag, Quantized, Vocabulary};

use crate::error::ModelError;
use crate::import::spec::{DenseLayer, EmbeddingLayer, limit};
use crate::import::weights::{Axis, Weights, values};
use crate::quantize::{columns, comparable_rows, rows};

/// A matrix and a bias for each output.
pub(super) struct FloatLayer {
    /// Number in the specification, kind, tensor.
    pub(super) name: String,
    pub(super) tensor: String,
    /// \[entries x width\] of an embedding, \[outputs x inputs\] of a dense layer.
    pub(super) weights: Vec<f32>,
    pub(super) shape: [usize; 2],
    pub(super) bias: Vec<f64>,
    channels: Channels,
    pub(super) limit: i8,
}

/// What has a step of its own.
#[derive(Clone, Copy)]
enum Channels {
    Rows,
    Columns,
    /// Nothing: all rows share one.
    Matrix,
}

impl FloatLayer {
    pub(super) fn embedding(
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
    pub(super) fn dense(
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
    pub(super) fn sum(&self, bag: &Bag) -> Vec<f64> {
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
    pub(super) fn apply(&self, inputs: &[f64]) -> Vec<f64> {
        let rows = self.weights.chunks(self.shape[1]).zip(&self.bias);
        rows.map(|(row, bias)| {
            let terms = row.iter().zip(inputs);
            bias + terms.map(|(&w, x)| f64::from(w) * x).sum::<f64>()
        })
        .collect()
    }

    /// Gives all outputs one step, as those must have that are compared under encryption.
    pub(super) fn share_step(&mut self) {
        self.channels = Channels::Matrix;
    }

    pub(super) fn quantized(&self) -> Quantized {
        let [outputs, width] = self.shape;
        match self.channels {
            Channels::Rows => rows(&self.weights, outputs, self.limit),
            Channels::Columns => columns(&self.weights, width, self.limit),
            Channels::Matrix => comparable_rows(&self.weights, outputs, self.limit),
        }
    }

    /// The largest of the integers.
    pub(super) fn largest_integer(&self) -> u8 {
        let integers = self.quantized().integers;
        let magnitudes = integers.data().iter().map(|w| w.unsigned_abs());
        magnitudes.max().unwrap_or(0)
    }

    /// How many different steps its integers have.
    pub(super) fn steps(&self) -> usize {
        match self.channels {
            Channels::Rows => self.shape[0],
            Channels::Columns => self.shape[1],
            Channels::Matrix => 1,
        }
    }

    /// What the integers stand for.
    pub(super) fn rounded(&self) -> Vec<f64> {
        let Quantized { integers, step } = self.quantized();
        let width = self.shape[1];
        let integers = integers.data().iter().enumerate();
        let value = |(index, &w): (usize, &i8)| {
            let channel = match self.channels {
                Channels::Rows | Channels::Matrix => index / width,
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
