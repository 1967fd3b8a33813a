//! A tiny transformer of random weights: letters `a` to `d`, four positions, one layer of attention.

use cipherformer_circuit::parameters::INSECURE_PRECISE;
use cipherformer_circuit::transformer::{Attention, AttentionNumerics, Matrix, TokenTables};
use cipherformer_circuit::{Circuit, Description, OutputPolicy, Transformer, Vocabulary};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How many tokens a session of it may have.
pub(crate) const CONTEXT: usize = 4;
/// `<end>` and the letters.
pub(crate) const TOKENS: usize = 5;

const WIDTH: usize = 8;
const HEAD: usize = 4;

/// The circuit, under this name.
pub(crate) fn circuit(name: &str) -> Circuit {
    circuit_described(name, "random weights")
}

/// The same with another description, and so another digest.
pub(crate) fn circuit_described(name: &str, description: &str) -> Circuit {
    // Not every seed makes weights whose logits depend on earlier tokens by much more than noise.
    let mut random = StdRng::seed_from_u64(12);
    let tables = |random: &mut StdRng| TokenTables {
        queries: integers(random, 3),
        keys: integers(random, 3),
        values: integers(random, 2),
        residual: matrix(random, TOKENS, WIDTH, 1.0),
    };
    let positions = (0..CONTEXT).map(|_| tables(&mut random)).collect();
    let model = Transformer {
        heads: 1,
        positions,
        attention: vec![Attention {
            output: matrix(&mut random, WIDTH, HEAD, 0.5),
            numerics: AttentionNumerics {
                score_step: 0.05,
                score_range: 36.0,
                cap: 2.0,
                gain: 4.0,
                floor: 0.1,
                mean_range: 5.0,
                mix_range: 40.0,
                value_step: 0.5,
            },
        }],
        blocks: Vec::new(),
        unembedding: matrix(&mut random, TOKENS, WIDTH, 1.0),
        unembedding_bias: vec![0.0; TOKENS],
        logit_range: 12.0,
    };
    let tokens = ["<end>", "a", "b", "c", "d"].map(str::to_owned).to_vec();
    let description = Description {
        name: name.to_owned(),
        description: description.to_owned(),
        parameter_set: INSECURE_PRECISE.name.to_owned(),
        labels: tokens.clone(),
        policy: OutputPolicy::Scores,
    };
    let vocabulary = Vocabulary::new(tokens, 1, 1).expect("distinct tokens");
    Circuit::new(description, vocabulary, model).expect("a valid circuit")
}

fn integers(random: &mut StdRng, limit: i8) -> Vec<Vec<i8>> {
    let mut row = || {
        (0..HEAD)
            .map(|_| random.random_range(-limit..=limit))
            .collect()
    };
    (0..TOKENS).map(|_| row()).collect()
}

fn matrix(random: &mut StdRng, rows: usize, columns: usize, limit: f32) -> Matrix {
    let data = (0..rows * columns).map(|_| random.random_range(-limit..=limit));
    Matrix::new(rows, columns, data.collect()).expect("it fits")
}
