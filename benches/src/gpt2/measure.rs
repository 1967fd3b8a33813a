//! The layer, run and compared with the computation in `f64`.

use std::time::Instant;

use anyhow::{Context, Result};
use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::parameters::PRECISE_1024;
use cipherformer_fhe::{EncryptedScores, EvaluationKey, SecretKey, SeededEvaluationKey};
use serde::Serialize;

use super::model::Rows;
use super::{GPT2, Layer, Model, Plan, Shape, Token, mean_entropy};
use crate::machine::peak_rss_bytes;

/// What [`measure_shape`] found.
#[derive(Clone, Debug, Serialize)]
pub struct Attention {
    /// Numbers of a token's vector.
    pub width: usize,
    /// Heads.
    pub heads: usize,
    /// Tokens.
    pub tokens: usize,
    /// Of the server's evaluation, on all of the thread pool's cores.
    pub seconds: f64,
    /// Of them, for the matrices of keys.
    pub projections_seconds: f64,
    /// For scores.
    pub scores_seconds: f64,
    /// For softmax, which is all LUTs.
    pub softmax_seconds: f64,
    /// For mixtures and outputs.
    pub outputs_seconds: f64,
    /// How many cores.
    pub cores: usize,
    /// Programmable bootstraps.
    pub luts: usize,
    /// Ring products.
    pub ring_products: usize,
    /// As sent.
    pub evaluation_key_bytes: usize,
    /// All tokens', as sent.
    pub request_bytes: usize,
    /// All tokens', as sent.
    pub response_bytes: usize,
    /// Of the process, client and server in one.
    pub peak_rss_bytes: u64,
    /// Mean over tokens of the cosine with the computation in `f64`.
    pub cosine: f64,
    /// The largest difference from the computation in `f64`.
    pub max_abs_error: f64,
    /// Root mean square of the outputs, which `max_abs_error` is to be compared with.
    pub output_rms: f64,
    /// Of the softmax, as a part of that of equal weights.
    pub mean_entropy: f64,
    /// Its name.
    pub parameter_set: &'static str,
    /// Its security.
    pub security_bits: u32,
}

/// Runs the layer of GPT-2's shape with random weights and inputs on ciphertexts: 1 head, or all with the output
/// projection.
///
/// # Errors
/// A number of tokens that there is no plan for.
pub fn measure(heads: usize, tokens: usize, seed: u64) -> Result<Attention> {
    measure_shape(Shape { heads, ..GPT2 }, tokens, seed)
}

/// Runs a layer with random weights and inputs on ciphertexts.
///
/// # Errors
/// A number of tokens that there is no plan for.
pub fn measure_shape(shape: Shape, tokens: usize, seed: u64) -> Result<Attention> {
    let mut found = measure_rounds(shape, tokens, seed, 1)?;
    found.pop().context("there is one round")
}

/// Runs a layer so often, under one key and on the same inputs, encrypted each time.
///
/// # Errors
/// A number of tokens that there is no plan for.
pub fn measure_rounds(
    shape: Shape,
    tokens: usize,
    seed: u64,
    rounds: usize,
) -> Result<Vec<Attention>> {
    let parameters = &PRECISE_1024;
    eprintln!("weights and matrices");
    let model = Model::of(shape, seed);
    let plan = Plan::new(&model, tokens, parameters)?;
    let layer = Layer::new(&plan, parameters)?;

    eprintln!("keys");
    let secret = SecretKey::generate(parameters);
    let bytes = SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
    let seeded = SeededEvaluationKey::from_bytes(&bytes, parameters)?;
    let trial = Trial {
        model: &model,
        plan: &plan,
        layer: &layer,
        secret,
        evaluation_key_bytes: bytes.len(),
        key: EvaluationKey::expand(seeded, parameters),
        inputs: Model::inputs_of(shape, tokens, seed + (1 << 33)), // not the stream that the weights are from
    };
    eprintln!("evaluation of {} LUTs", plan.luts());
    (0..rounds).map(|_| trial.round(parameters)).collect()
}

/// A layer, keys and inputs.
struct Trial<'a> {
    model: &'a Model,
    plan: &'a Plan,
    layer: &'a Layer<'a>,
    secret: SecretKey,
    evaluation_key_bytes: usize,
    key: EvaluationKey,
    inputs: Rows,
}

impl Trial<'_> {
    fn round(&self, parameters: &ParameterSet) -> Result<Attention> {
        let Self { model, plan, .. } = self;
        let encrypt = |input: &Vec<f64>| Token::encrypt(input, plan, self.layer, &self.secret);
        let encrypted: Vec<Token> = self.inputs.iter().map(encrypt).collect::<Result<_>>()?;
        let request_bytes = encrypted.iter().map(Token::bytes).sum();

        let start = Instant::now();
        let (responses, counters, times) = self.layer.evaluate(encrypted, &self.key)?;
        let seconds = start.elapsed().as_secs_f64();

        let decrypt = |response: &EncryptedScores| plan.decrypt(response, &self.secret);
        let outputs: Rows = responses.iter().map(decrypt).collect::<Result<_>>()?;
        let expected = model.forward(&self.inputs);
        Ok(Attention {
            width: model.shape.width,
            heads: model.shape.heads,
            tokens: self.inputs.len(),
            seconds,
            projections_seconds: times.projections.as_secs_f64(),
            scores_seconds: times.scores.as_secs_f64(),
            softmax_seconds: times.softmax.as_secs_f64(),
            outputs_seconds: times.outputs.as_secs_f64(),
            cores: rayon::current_num_threads(),
            luts: counters.luts,
            ring_products: counters.ring_products,
            evaluation_key_bytes: self.evaluation_key_bytes,
            request_bytes,
            response_bytes: responses.iter().map(|r| r.to_bytes().len()).sum(),
            peak_rss_bytes: peak_rss_bytes()?,
            cosine: mean_cosine(&outputs, &expected),
            max_abs_error: largest_difference(&outputs, &expected),
            output_rms: root_mean_square(&expected),
            mean_entropy: entropy(model, &self.inputs),
            parameter_set: parameters.name,
            security_bits: parameters.security_bits,
        })
    }
}

fn mean_cosine(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let cosines = a.iter().zip(b).map(|(a, b)| cosine(a, b));
    cosines.sum::<f64>() / a.len() as f64
}

fn largest_difference(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.fold(0.0, |m, (a, b)| m.max((a - b).abs()))
}

/// The mean over heads.
fn entropy(model: &Model, inputs: &[Vec<f64>]) -> f64 {
    let heads = model.shape.heads;
    let entropies = (0..heads).map(|head| mean_entropy(&model.probabilities(head, inputs)));
    entropies.sum::<f64>() / heads as f64
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn root_mean_square(rows: &[Vec<f64>]) -> f64 {
    let squares = rows.iter().flatten().map(|x| x * x);
    (squares.sum::<f64>() / rows.iter().flatten().count() as f64).sqrt()
}
