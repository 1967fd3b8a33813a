//! Lesson 5: a layer. Weights become small integers, and three ways to evaluate them agree up to noise.
//!
//! `cargo run --release --example 05_layer`

use anyhow::{Context, Result, ensure};
use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::{
    Block, Circuit, Dense, Description, Embedding, Function, Model, OutputPolicy, Plain, Quantized,
    Vocabulary,
};
use cipherformer_model::{EncryptedPair, noise_by_layer};

// ANCHOR: weights
/// What words add to two hidden values (each half of its row), and what two scores make of their tanh.
const WORDS: [&str; 3] = ["w:good", "w:bad", "w:not"];
const EMBEDDING: [[f64; 2]; 3] = [[4.13, -3.87], [-3.79, 4.21], [-8.02, 8.11]];
const DENSE: [[f64; 2]; 2] = [[-0.98, -1.03], [1.01, 0.97]];
const BIASES: [[f64; 2]; 2] = [[0.05, -4.02], [-1.0, 1.0]];
const TEXTS: [&str; 4] = ["good", "not bad", "bad", "not good"];
// ANCHOR_END: weights

// ANCHOR: quantize
/// Integers of at most `limit`, and what one of them is worth.
fn quantize(layer: &str, weights: &[[f64; 2]], limit: f64) -> Result<Quantized> {
    let weights = weights.as_flattened();
    let step = weights.iter().fold(0f64, |m, w| m.max(w.abs())) / limit;
    let integers: Vec<i8> = weights.iter().map(|w| (w / step).round() as i8).collect();
    println!("{layer}: {weights:?}\n  is about {step:.4} times {integers:?}");
    Ok(Quantized {
        integers: IntMatrix::new(weights.len() / 2, 2, integers).context("two a row")?,
        step: vec![step; 2],
    })
}
// ANCHOR_END: quantize

// ANCHOR: circuit
fn circuit() -> Result<Circuit> {
    let embedding = Embedding {
        table: quantize("embedding", &EMBEDDING, 127.0)?,
        bias: BIASES[0].to_vec(),
    };
    let dense = Dense {
        weights: quantize("dense", &DENSE, 15.0)?,
        bias: BIASES[1].to_vec(),
    };
    let activation = Function::Tanh;
    let blocks = vec![Block { activation, dense }];
    let description = Description {
        name: "mood".to_owned(),
        description: "Tells bad from good.".to_owned(),
        parameter_set: "fast-1024".to_owned(),
        labels: vec!["bad".to_owned(), "good".to_owned()],
        policy: OutputPolicy::Scores,
    };
    // At most two words a text. Each counts half, in a text of one word too.
    let words = Vocabulary::new(WORDS.map(str::to_owned).to_vec(), 2, 2)?;
    let model = Model { embedding, blocks };
    Ok(Circuit::new(description, words, model)?)
}
// ANCHOR_END: circuit

/// The score of "good" with the weights as they were.
fn exact(words: &[usize]) -> f64 {
    let halves = |i: usize| words.iter().map(move |&word| EMBEDDING[word][i] / 2.0);
    let hidden = |i: usize| (halves(i).sum::<f64>() + BIASES[0][i]).tanh();
    DENSE[1][0] * hidden(0) + DENSE[1][1] * hidden(1) + BIASES[1][1]
}

fn main() -> Result<()> {
    let circuit = circuit()?;
    let pair = EncryptedPair::new(circuit.clone(), |_| ())?;

    // ANCHOR: compare
    println!("\nscore of \"good\"   exact  reference   simulate  encrypted");
    let mut simulate = Plain::simulate(rand::random());
    for (i, text) in TEXTS.iter().enumerate() {
        let bag = [circuit.vocabulary().bag(text)];
        let reference = Plain::reference().outputs(&circuit, &bag)?[0][1];
        let simulated = simulate.outputs(&circuit, &bag)?[0][1];
        let encrypted = pair.outputs(&bag)?[0][1];
        print!("{text:<15} {:>7.3}", exact(bag[0].features()));
        println!(" {reference:>10.3} {simulated:>10.3} {encrypted:>10.3}");
        ensure!((encrypted > 0.0) == (i < 2), "a wrong score");
    }
    // ANCHOR_END: compare
    // ANCHOR: noise
    let bags = TEXTS.map(|text| circuit.vocabulary().bag(text));
    println!("\nnoise after  simulate  encrypted  (standard deviation on the torus)");
    for layer in noise_by_layer(&circuit, &pair, &bags, 50)? {
        let [simulated, encrypted] = [layer.simulated.log2(), layer.encrypted.log2()];
        let bar = "=".repeat((encrypted + 44.0).max(0.0) as usize);
        print!("{:<12} 2^{simulated:<7.1} ", layer.name);
        println!("2^{encrypted:<8.1} |{bar}");
        let apart = (simulated - encrypted).abs();
        ensure!(apart < 0.5, "not the noise predicted");
    }
    // ANCHOR_END: noise
    Ok(())
}
