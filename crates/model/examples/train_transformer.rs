//! Trains a small transformer in floating point and writes what `cipherformer-model import` takes: weights, vocabulary,
//! specification. `cargo run --release --example train_transformer -- target/mine-gpt`, some minutes; a second argument is
//! the number of steps.
//!
//! Any program that writes safetensors does as well. This one needs nothing but the repository: two parallel blocks over the
//! letters of the shipped names. It knows nothing of encryption: no rounding, no noise.

use std::collections::HashMap;
use std::f64::consts::PI;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::loss::cross_entropy;
use candle_nn::ops::softmax;
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

const STEPS: usize = 3000;
const BATCH: usize = 128;
const RATE: f64 = 8e-3;
const CONTEXT: usize = 16;
const TOKENS: usize = 27;
const WIDTH: usize = 32;
const HEADS: usize = 4;
/// Of each block's MLP: that of the first block is a table, and may be large.
const HIDDEN: [usize; 2] = [256, 48];
/// Soft cap of attention's scores, as Gemma 2 has it: `import` needs one, and models trained with it lose less.
const CAP: f64 = 2.0;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().map(PathBuf::from);
    let out = out.context("name a folder to write: train_transformer -- target/mine-gpt")?;
    let steps = arguments.next().map_or(Ok(STEPS), |steps| steps.parse())?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = fs::read_to_string(root.join("data/names/names.txt"))?;
    let short = names.lines().filter(|name| name.len() < CONTEXT);
    let texts: Vec<Vec<u32>> = short
        .map(|name| {
            name.bytes()
                .map(|letter| u32::from(letter - b'a' + 1))
                .collect()
        })
        .collect();
    let model = Model::train(&texts, steps)?;
    fs::create_dir_all(&out)?;
    let tensors = model
        .0
        .iter()
        .map(|(name, var)| (name.as_str(), var.as_tensor().clone()));
    let tensors: HashMap<&str, Tensor> = tensors.collect();
    candle_core::safetensors::save(&tensors, out.join("model.safetensors"))?;
    let letters: String = ('a'..='z').map(|letter| format!("{letter}\n")).collect();
    fs::write(out.join("letters.txt"), format!("<end>\n{letters}"))?;
    let spec = root.join("../../examples/import/transformer.toml");
    fs::copy(spec, out.join("spec.toml"))?;
    println!(
        "wrote model.safetensors, letters.txt and spec.toml to {}",
        out.display()
    );
    Ok(())
}

/// Weights by name.
struct Model(Vec<(String, Var)>);

impl Model {
    fn new(random: &mut StdRng) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        let mut add = |name: String, shape: &[usize], std: f32| -> anyhow::Result<()> {
            let draw = |_| {
                let unit: f32 = StandardNormal.sample(random);
                std * unit
            };
            let data: Vec<f32> = (0..shape.iter().product()).map(draw).collect();
            all.push((name, Var::from_vec(data, shape, &Device::Cpu)?));
            Ok(())
        };
        let std = (WIDTH as f32).sqrt().recip();
        add("token.weight".to_owned(), &[TOKENS, WIDTH], 0.7)?;
        add("position.weight".to_owned(), &[CONTEXT, WIDTH], 0.3)?;
        for (block, hidden) in HIDDEN.into_iter().enumerate() {
            let name = |what: &str| format!("blocks.{block}.{what}");
            for what in ["query.weight", "key.weight", "value.weight"] {
                add(name(what), &[WIDTH, WIDTH], std)?;
            }
            add(name("output.weight"), &[WIDTH, WIDTH], 0.5 * std)?;
            add(name("up.weight"), &[hidden, WIDTH], std)?;
            add(name("up.bias"), &[hidden], 0.0)?;
            add(
                name("down.weight"),
                &[WIDTH, hidden],
                0.5 / (hidden as f32).sqrt(),
            )?;
            add(name("down.bias"), &[WIDTH], 0.0)?;
        }
        add("unembedding.weight".to_owned(), &[TOKENS, WIDTH], 0.1)?;
        add("unembedding.bias".to_owned(), &[TOKENS], 0.0)?;
        for block in 0..HIDDEN.len() {
            let ones = Var::ones(WIDTH, DType::F32, &Device::Cpu)?;
            all.push((format!("blocks.{block}.norm.weight"), ones));
        }
        Ok(Self(all))
    }

    fn train(texts: &[Vec<u32>], steps: usize) -> anyhow::Result<Self> {
        let mut random = StdRng::seed_from_u64(0);
        let model = Self::new(&mut random)?;
        let variables = model.0.iter().map(|(_, var)| var.clone()).collect();
        let config = ParamsAdamW {
            beta2: 0.99,
            weight_decay: 0.02,
            ..ParamsAdamW::default()
        };
        let mut optimizer = AdamW::new(variables, config)?;
        let mut sum = 0.0;
        for step in 1..=steps {
            let part = step as f64 / steps as f64;
            optimizer.set_learning_rate(RATE * (20.0 * part).min(0.5 + 0.5 * (PI * part).cos()));
            let batch = (0..BATCH).map(|_| &texts[random.random_range(0..texts.len())]);
            let loss = model.loss(&batch.collect::<Vec<_>>())?;
            optimizer.backward_step(&loss)?;
            sum += loss.to_scalar::<f32>()?;
            if step % 250 == 0 {
                println!("step {step} of {steps}: {:.4} nats", sum / 250.0);
                sum = 0.0;
            }
        }
        Ok(model)
    }

    /// Mean cross-entropy of the next letters, and of the mark that ends a text; padding is left out.
    fn loss(&self, texts: &[&Vec<u32>]) -> anyhow::Result<Tensor> {
        let (mut inputs, mut targets, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for (index, text) in texts.iter().enumerate() {
            let mut padded = vec![0; CONTEXT];
            padded[1..=text.len()].copy_from_slice(text);
            inputs.extend(padded);
            rows.extend((0..=text.len()).map(|position| (index * CONTEXT + position) as u32));
            targets.extend(text.iter().copied().chain([0]));
        }
        let logits = self.logits(&Tensor::new(inputs, &Device::Cpu)?)?;
        let logits = logits.index_select(&Tensor::new(rows, &Device::Cpu)?, 0)?;
        Ok(cross_entropy(
            &logits,
            &Tensor::new(targets, &Device::Cpu)?,
        )?)
    }

    /// What `spec.toml` says: x + attention(norm(x)) + mlp(norm(x)), twice, then the logits.
    fn logits(&self, tokens: &Tensor) -> anyhow::Result<Tensor> {
        let token = self.get("token.weight").index_select(tokens, 0)?;
        let texts = tokens.elem_count() / CONTEXT;
        let x = token.reshape((texts, CONTEXT, WIDTH))?;
        let mut x = x
            .broadcast_add(self.get("position.weight"))?
            .flatten_to(1)?;
        for block in 0..HIDDEN.len() {
            let weight = |what: &str| self.get(&format!("blocks.{block}.{what}"));
            let mean = (x.sqr()?.mean_keepdim(1)? + 1e-6)?;
            let norm = x
                .broadcast_div(&mean.sqrt()?)?
                .broadcast_mul(weight("norm.weight"))?;
            let hidden = linear(&norm, weight("up.weight"))?.broadcast_add(weight("up.bias"))?;
            let mlp = linear(&hidden.gelu()?, weight("down.weight"))?;
            let attention = linear(&self.attention(block, &norm)?, weight("output.weight"))?;
            x = ((x + attention)? + mlp.broadcast_add(weight("down.bias"))?)?;
        }
        let logits = linear(&x, self.get("unembedding.weight"))?;
        Ok(logits.broadcast_add(self.get("unembedding.bias"))?)
    }

    /// Causal attention with capped scores; rows as they came.
    fn attention(&self, block: usize, norm: &Tensor) -> anyhow::Result<Tensor> {
        let head = WIDTH / HEADS;
        let heads = |what: &str| -> anyhow::Result<Tensor> {
            let projected = linear(norm, self.get(&format!("blocks.{block}.{what}.weight")))?;
            let split = projected.reshape(((), CONTEXT, HEADS, head))?;
            Ok(split.transpose(1, 2)?.contiguous()?)
        };
        let scores = heads("query")?.matmul(&heads("key")?.t()?.contiguous()?)?;
        let scores = (scores / (head as f64).sqrt())?;
        let capped = ((scores / CAP)?.tanh()? * CAP)?;
        let later = (0..CONTEXT * CONTEXT).map(|i| match i % CONTEXT > i / CONTEXT {
            true => -1e9,
            false => 0.0,
        });
        let mask = Tensor::from_vec(
            later.collect::<Vec<f32>>(),
            (CONTEXT, CONTEXT),
            &Device::Cpu,
        )?;
        let weights = softmax(&capped.broadcast_add(&mask)?, D::Minus1)?;
        let mixed = weights.matmul(&heads("value")?)?.transpose(1, 2)?;
        Ok(mixed.contiguous()?.reshape(((), WIDTH))?)
    }

    fn get(&self, name: &str) -> &Tensor {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.expect("all names are made in `new`").1.as_tensor()
    }
}

fn linear(x: &Tensor, weight: &Tensor) -> anyhow::Result<Tensor> {
    Ok(x.matmul(&weight.t()?)?)
}
