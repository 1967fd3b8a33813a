//! Solution of lesson 5: how many bits do weights need, before noise hides what more of them would give?
//!
//! `cargo run --release --example 05_solution`

use anyhow::{Context, Result, ensure};
use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::{
    Block, Circuit, Dense, Description, Embedding, Function, Model, OutputPolicy, Plain, Quantized,
    Vocabulary,
};

const WORDS: [&str; 3] = ["w:good", "w:bad", "w:not"];
const EMBEDDING: [[f64; 2]; 3] = [[4.13, -3.87], [-3.79, 4.21], [-8.02, 8.11]];
const DENSE: [[f64; 2]; 2] = [[-0.98, -1.03], [1.01, 0.97]];
const BIASES: [[f64; 2]; 2] = [[0.05, -4.02], [-1.0, 1.0]];
const TEXTS: [&str; 4] = ["good", "not bad", "bad", "not good"];

fn quantize(weights: &[[f64; 2]], limit: f64) -> Result<Quantized> {
    let weights = weights.as_flattened();
    let step = weights.iter().fold(0f64, |m, w| m.max(w.abs())) / limit;
    let integers = weights.iter().map(|w| (w / step).round() as i8).collect();
    Ok(Quantized {
        integers: IntMatrix::new(weights.len() / 2, 2, integers).context("two a row")?,
        step: vec![step; 2],
    })
}

fn circuit(limit: f64) -> Result<Circuit> {
    let embedding = Embedding {
        table: quantize(&EMBEDDING, limit)?,
        bias: BIASES[0].to_vec(),
    };
    let dense = Dense {
        weights: quantize(&DENSE, limit)?,
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
    let words = Vocabulary::new(WORDS.map(str::to_owned).to_vec(), 2, 2)?;
    let model = Model { embedding, blocks };
    Ok(Circuit::new(description, words, model)?)
}

/// The score of "good" with the weights as they were.
fn exact(words: &[usize]) -> f64 {
    let hidden = [0, 1].map(|i| {
        let sum: f64 = words.iter().map(|&word| EMBEDDING[word][i] / 2.0).sum();
        (sum + BIASES[0][i]).tanh()
    });
    DENSE[1][0] * hidden[0] + DENSE[1][1] * hidden[1] + BIASES[1][1]
}

fn main() -> Result<()> {
    println!("bits of a weight   error by rounding   error by noise");
    for bits in [2, 3, 4, 5, 6, 7, 8] {
        let circuit = circuit(f64::from((1 << (bits - 1)) - 1))?;
        let (mut rounding, mut noise) = (0f64, 0.0);
        for text in TEXTS {
            let bag = [circuit.vocabulary().bag(text)];
            let reference = Plain::reference().outputs(&circuit, &bag)?[0][1];
            rounding = rounding.max((reference - exact(bag[0].features())).abs());
            let mut simulated = Plain::simulate(0);
            for _ in 0..250 {
                let score = simulated.outputs(&circuit, &bag)?[0][1];
                noise += (score - reference).powi(2) / 1000.0;
            }
        }
        let noise = noise.sqrt();
        println!("{bits:<18} {rounding:<19.4} {noise:.4}");
        ensure!(
            bits < 5 || rounding < noise,
            "rounding should be hidden by noise"
        );
    }
    Ok(())
}
