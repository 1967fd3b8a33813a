//! Training in floating point.

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use cipherformer_circuit::Bag;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

use crate::error::ModelError;
use crate::recipe::Recipe;

/// `score(injection) - score(benign) = weights . tanh(gain * z) + bias`, z the weighted sum of the
/// embeddings of a text's features.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatModel {
    /// \[entries x width\], row by row, each in [-1, 1].
    pub embedding: Vec<f32>,
    /// \[width\].
    pub weights: Vec<f32>,
    /// Of the difference of the scores.
    pub bias: f32,
    /// What the sum of embeddings is multiplied by.
    pub gain: f64,
}

impl FloatModel {
    /// The scores of a bag, benign and injection.
    pub fn scores(&self, bag: &Bag) -> Vec<f64> {
        let width = self.weights.len();
        let mut difference = f64::from(self.bias);
        for (column, &weight) in self.weights.iter().enumerate() {
            let entries = bag
                .features()
                .iter()
                .map(|v| self.embedding[v * width + column]);
            let sum: f64 = entries.map(f64::from).sum();
            difference += f64::from(weight) * (self.gain * bag.weight() * sum).tanh();
        }
        vec![-difference / 2.0, difference / 2.0]
    }
}

/// Trains on bags over `entries` features; `step` is called after every step. The same seed gives the
/// same model.
///
/// All random numbers are drawn here rather than by the training library, whose generator takes no seed
/// on a CPU.
///
/// # Errors
/// The training library fails.
pub fn train(
    bags: &[(Bag, bool)],
    entries: usize,
    recipe: &Recipe,
    seed: u64,
    step: impl Fn(),
) -> Result<FloatModel, ModelError> {
    let mut random = StdRng::seed_from_u64(seed);
    let parameters = Parameters::new(entries, recipe, &mut random)?;
    let config = ParamsAdamW {
        lr: recipe.learning_rate,
        weight_decay: 0.0,
        ..ParamsAdamW::default()
    };
    let mut optimizer = AdamW::new(parameters.all(), config)?;
    let steps = recipe.steps(bags.len());
    let mut done = 0;
    let mut order: Vec<usize> = (0..bags.len()).collect();
    for _ in 0..recipe.epochs {
        order.shuffle(&mut random);
        for batch in order.chunks(recipe.batch) {
            done += 1;
            let left = 1.0 - done as f64 / steps as f64;
            optimizer.set_learning_rate(recipe.learning_rate * left);
            let batch: Vec<&(Bag, bool)> = batch.iter().map(|&index| &bags[index]).collect();
            let loss = parameters.loss(&batch, recipe, &mut random)?;
            optimizer.backward_step(&loss)?;
            // The lowered circuit's range is a bound on these, so they must have one.
            let clamped = parameters.embedding.clamp(-1f32, 1f32)?;
            parameters.embedding.set(&clamped)?;
            step();
        }
    }
    parameters.finish(recipe)
}

struct Parameters {
    /// \[entries x width\].
    embedding: Var,
    /// \[width x 1\].
    weights: Var,
    /// \[1\].
    bias: Var,
}

impl Parameters {
    fn new(entries: usize, recipe: &Recipe, random: &mut StdRng) -> Result<Self, ModelError> {
        let width = recipe.width;
        let embedding: Vec<f32> = normals(entries * width, recipe.initial_std, random)
            .map(|x| x.clamp(-1.0, 1.0))
            .collect();
        let size = (width as f32).sqrt().recip();
        let weights: Vec<f32> = normals(width, 1.0, random)
            .map(|x| size.copysign(x))
            .collect();
        Ok(Self {
            embedding: Var::from_vec(embedding, (entries, width), &Device::Cpu)?,
            weights: Var::from_vec(weights, (width, 1), &Device::Cpu)?,
            bias: Var::zeros(1, DType::F32, &Device::Cpu)?,
        })
    }

    fn all(&self) -> Vec<Var> {
        vec![
            self.embedding.clone(),
            self.weights.clone(),
            self.bias.clone(),
        ]
    }

    /// Mean binary cross-entropy of a batch, with dropped features and noise before the tanh.
    fn loss(
        &self,
        batch: &[&(Bag, bool)],
        recipe: &Recipe,
        random: &mut StdRng,
    ) -> Result<Tensor, ModelError> {
        let inputs = self.inputs(batch, recipe, random)?;
        // The range [-1, 1] is 2 wide.
        let noise = normals(batch.len() * recipe.width, 2.0 * recipe.noise, random).collect();
        let noise = Tensor::from_vec(noise, (batch.len(), recipe.width), &Device::Cpu)?;
        let summed = (inputs.matmul(&self.embedding)? + noise)?;
        let hidden = (summed * recipe.gain)?.tanh()?;
        let difference = hidden.matmul(&self.weights)?.broadcast_add(&self.bias)?;
        let labels = batch
            .iter()
            .map(|(_, injection)| f32::from(u8::from(*injection)));
        let labels = Tensor::from_vec(labels.collect(), (batch.len(), 1), &Device::Cpu)?;
        // max(d, 0) - d y + log(1 + exp(-|d|)), which no size of d overflows
        let tail = (difference.abs()?.neg()?.exp()? + 1.0)?.log()?;
        let loss = ((difference.relu()? - (difference * labels)?)? + tail)?;
        Ok(loss.mean_all()?)
    }

    /// \[batch x entries\]: the bags' weights, some features dropped and the others scaled up for it.
    fn inputs(
        &self,
        batch: &[&(Bag, bool)],
        recipe: &Recipe,
        random: &mut StdRng,
    ) -> Result<Tensor, ModelError> {
        let entries = self.embedding.dim(0)?;
        let mut inputs = vec![0f32; batch.len() * entries];
        for (row, (bag, _)) in inputs.chunks_mut(entries).zip(batch) {
            let weight = bag.weight() as f32 / (1.0 - recipe.dropout);
            for &feature in bag.features() {
                if random.random::<f32>() >= recipe.dropout {
                    row[feature] = weight;
                }
            }
        }
        Ok(Tensor::from_vec(
            inputs,
            (batch.len(), entries),
            &Device::Cpu,
        )?)
    }

    fn finish(self, recipe: &Recipe) -> Result<FloatModel, ModelError> {
        Ok(FloatModel {
            embedding: self.embedding.flatten_all()?.to_vec1()?,
            weights: self.weights.flatten_all()?.to_vec1()?,
            bias: self.bias.get(0)?.to_scalar()?,
            gain: recipe.gain,
        })
    }
}

fn normals(count: usize, std: f32, random: &mut StdRng) -> impl Iterator<Item = f32> + '_ {
    (0..count).map(move |_| {
        let unit: f32 = StandardNormal.sample(random);
        std * unit
    })
}
