//! Trains a small classifier in floating point and writes what `cipherformer-model import` takes: weights, vocabulary,
//! specification. `cargo run --release --example train_classifier -- target/mine`, about half a minute.
//!
//! Any program that writes safetensors does as well. This one needs nothing but the repository: a bag of features, two hidden
//! layers, trained on the shipped prompts. It knows nothing of encryption: no rounding, no noise.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use candle_core::{Device, Tensor, Var};
use candle_nn::loss::cross_entropy;
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use cipherformer_circuit::Bag;
use cipherformer_model::{LABELS, Recipe, choose_vocabulary, load_examples};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

const EPOCHS: usize = 5;
const BATCH: usize = 256;
const RATE: f64 = 0.03;
const WIDTH: usize = 16;
const HIDDEN: usize = 8;
/// The part of a text's features that a step does not see.
const DROPOUT: f32 = 0.4;
/// No embedding is larger, so that a LUT's range is not spent on few features.
const LARGEST: f32 = 2.0;

fn main() -> anyhow::Result<()> {
    let out = std::env::args().nth(1).map(PathBuf::from);
    let out = out.context("name a folder to write: train_classifier -- target/mine")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = root.join("data/prompt-injection/train.csv");
    let examples = load_examples(&data, &LABELS)?;
    // The features that tell the labels apart best; 16,384 of them, as `extract` of the circuit crate spells them.
    let vocabulary = choose_vocabulary(&examples, &Recipe::default())?;
    let bags = examples.iter().map(|e| (vocabulary.bag(&e.text), e.label));
    let model = train(&bags.collect::<Vec<_>>(), vocabulary.len())?;
    fs::create_dir_all(&out)?;
    let tensors: HashMap<&str, Tensor> = model
        .iter()
        .map(|(name, var)| (*name, var.as_tensor().clone()))
        .collect();
    candle_core::safetensors::save(&tensors, out.join("model.safetensors"))?;
    fs::write(out.join("vocabulary.txt"), vocabulary.to_text())?;
    let spec = root.join("../../examples/import/classifier.toml");
    fs::copy(spec, out.join("spec.toml"))?;
    println!(
        "wrote model.safetensors, vocabulary.txt and spec.toml to {}",
        out.display()
    );
    Ok(())
}

type Model = Vec<(&'static str, Var)>;

fn train(bags: &[(Bag, usize)], entries: usize) -> anyhow::Result<Model> {
    let mut random = StdRng::seed_from_u64(0);
    let model: Model = vec![
        (
            "embedding.weight",
            normal(&[entries, WIDTH], 0.3, &mut random)?,
        ),
        ("embedding.bias", normal(&[WIDTH], 0.1, &mut random)?),
        (
            "hidden.weight",
            normal(&[HIDDEN, WIDTH], 0.25, &mut random)?,
        ),
        ("hidden.bias", normal(&[HIDDEN], 0.1, &mut random)?),
        ("output.weight", normal(&[2, HIDDEN], 0.35, &mut random)?),
        ("output.bias", normal(&[2], 0.0, &mut random)?),
    ];
    let variables = model.iter().map(|(_, var)| var.clone()).collect();
    let mut optimizer = AdamW::new(variables, ParamsAdamW::default())?;
    let mut order: Vec<usize> = (0..bags.len()).collect();
    let (mut step, steps) = (0, EPOCHS * bags.len().div_ceil(BATCH));
    for epoch in 1..=EPOCHS {
        order.shuffle(&mut random);
        let mut sum = 0.0;
        for batch in order.chunks(BATCH) {
            step += 1;
            optimizer.set_learning_rate(RATE * (1.0 - step as f64 / steps as f64));
            let batch: Vec<&(Bag, usize)> = batch.iter().map(|&i| &bags[i]).collect();
            let labels: Vec<u32> = batch.iter().map(|(_, label)| *label as u32).collect();
            let labels = Tensor::new(labels, &Device::Cpu)?;
            let loss = cross_entropy(
                &scores(&model, &inputs(&batch, entries, &mut random)?)?,
                &labels,
            )?;
            optimizer.backward_step(&loss)?;
            let embedding = &model[0].1;
            embedding.set(&embedding.clamp(-LARGEST, LARGEST)?)?;
            sum += f64::from(loss.to_scalar::<f32>()?) * batch.len() as f64;
        }
        println!(
            "epoch {epoch} of {EPOCHS}: {:.4} nats",
            sum / bags.len() as f64
        );
    }
    Ok(model)
}

/// \[batch x features\]: each text's weights, some features left out and the others scaled up for it.
fn inputs(batch: &[&(Bag, usize)], entries: usize, random: &mut StdRng) -> anyhow::Result<Tensor> {
    let mut all = vec![0f32; batch.len() * entries];
    for (row, (bag, _)) in all.chunks_mut(entries).zip(batch) {
        for &feature in bag.features() {
            if random.random::<f32>() >= DROPOUT {
                row[feature] = bag.weight() as f32 / (1.0 - DROPOUT);
            }
        }
    }
    Ok(Tensor::from_vec(all, (batch.len(), entries), &Device::Cpu)?)
}

/// Embedding, ReLU, dense, tanh, dense: what `spec.toml` says.
fn scores(model: &Model, inputs: &Tensor) -> anyhow::Result<Tensor> {
    let [embedding, bias, hidden, hidden_bias, output, output_bias] =
        [0, 1, 2, 3, 4, 5].map(|index| model[index].1.as_tensor());
    let x = inputs.matmul(embedding)?.broadcast_add(bias)?.relu()?;
    let x = x.matmul(&hidden.t()?)?.broadcast_add(hidden_bias)?.tanh()?;
    Ok(x.matmul(&output.t()?)?.broadcast_add(output_bias)?)
}

fn normal(shape: &[usize], std: f32, random: &mut StdRng) -> anyhow::Result<Var> {
    let draw = |_| {
        let unit: f32 = StandardNormal.sample(random);
        std * unit
    };
    let data: Vec<f32> = (0..shape.iter().product()).map(draw).collect();
    Ok(Var::from_vec(data, shape, &Device::Cpu)?)
}
