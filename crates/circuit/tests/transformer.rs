//! Lowered transformers against their forward pass in real numbers.

#[path = "common/transformer.rs"]
mod common;

use cipherformer_circuit::parameters::PRECISE_1024;
use cipherformer_circuit::transformer::{Matrix, Transformer};
use cipherformer_circuit::{CircuitError, OutputLayout, OutputPolicy, estimate};
use common::{Sizes, circuit, forward, reference, rms, simulate, size, transformer, try_circuit};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const NAMES: Sizes = Sizes {
    vocabulary: 27,
    context: 16,
    heads: 4,
    head_width: 8,
    width: 32,
    hidden: 64,
    blocks: 1,
};

fn tokens(sizes: Sizes, seed: u64) -> Vec<usize> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..sizes.context)
        .map(|_| random.random_range(0..sizes.vocabulary))
        .collect()
}

#[test]
fn the_lowered_circuit_computes_the_forward_pass() {
    for (seed, sizes) in [
        (1, NAMES),
        (2, Sizes { blocks: 2, ..NAMES }),
        (
            3,
            Sizes {
                heads: 1,
                context: 5,
                ..NAMES
            },
        ),
        (
            4,
            Sizes {
                head_width: 16,
                width: 24,
                hidden: 7,
                ..NAMES
            },
        ),
        (
            5,
            Sizes {
                blocks: 0,
                context: 1,
                vocabulary: 3,
                ..NAMES
            },
        ),
    ] {
        let model = transformer(sizes, seed);
        let circuit = circuit(&model, &PRECISE_1024);
        let tokens = tokens(sizes, seed);
        let exact = forward(&model, &tokens);
        let (error, size) = (rms(&reference(&circuit, &tokens), &exact), size(&exact));
        println!("{sizes:?}: lowered {error:.4} of {size:.3}");
        // Weights rounded to at most 15, and 63 levels where vectors are scaled.
        assert!(error < 0.1 * size, "{sizes:?}: {error} of {size}");
        let noisy = rms(&simulate(&circuit, &tokens, seed), &exact);
        println!("with noise {noisy:.4}");
        assert!(noisy < 0.25 * size, "{sizes:?}: {noisy} of {size}");
    }
}

#[test]
fn what_an_estimate_says() {
    let circuit = circuit(&transformer(NAMES, 1), &PRECISE_1024);
    let estimate = estimate(&circuit);
    // Block 1: exp, sums, means; block 2: norm, projections, MLP, and the same again.
    let attention = |positions: usize| 4 * positions + 4 + 32;
    let luts = |positions: usize| 2 * attention(positions) + 32 + 1 + 32 + 96 + 64;
    let expected: Vec<usize> = (1..=16).map(luts).collect();
    assert_eq!(estimate.luts_per_position, expected);
    assert_eq!(estimate.luts, luts(16));
    assert!(estimate.worst_failure_log2 <= -40.0);
}

/// A change that makes a transformer invalid.
type Damage = fn(&mut Transformer);

#[test]
fn an_invalid_transformer_is_refused() {
    let shapes: [Damage; 5] = [
        |model| model.heads = 3,
        |model| drop(model.attention.pop()),
        |model| model.unembedding_bias.push(0.0),
        |model| model.blocks[0].down_bias.push(0.0),
        |model| model.positions[0].keys[2].push(0),
    ];
    let values: [Damage; 6] = [
        |model| {
            model.unembedding = Matrix::new(27, 32, vec![f32::NAN; 27 * 32]).expect("it fits");
        },
        |model| model.unembedding_bias[1] = f32::NAN,
        |model| model.blocks[0].up_bias[0] = f32::INFINITY,
        |model| model.blocks[0].down_bias[0] = f32::NAN,
        |model| model.blocks[0].numerics.up_range = 0.0,
        |model| model.attention[0].numerics.gain = f64::NAN,
    ];
    let refused = |damage: Damage| {
        let mut model = transformer(NAMES, 1);
        damage(&mut model);
        try_circuit(&model, &PRECISE_1024).expect_err("it was made invalid")
    };
    for (number, damage) in shapes.into_iter().enumerate() {
        let error = refused(damage);
        assert!(
            matches!(error, CircuitError::Shape { .. }),
            "{number}: {error}"
        );
    }
    for (number, damage) in values.into_iter().enumerate() {
        let error = refused(damage);
        assert!(
            matches!(error, CircuitError::Value { .. }),
            "{number}: {error}"
        );
    }
}

#[test]
fn the_most_probable_token_alone_can_be_the_output() {
    let circuit = circuit(&transformer(NAMES, 1), &PRECISE_1024);
    let top = circuit.with_policy(OutputPolicy::TopOne).expect("room");
    let tokens = tokens(NAMES, 1);
    let logits = reference(&circuit, &tokens);
    for (top, logits) in reference(&top, &tokens).iter().zip(&logits) {
        assert_eq!(top.iter().filter(|&&x| (x - 1.0).abs() < 1e-9).count(), 1);
        let best = logits[OutputLayout::argmax(logits)];
        let chosen = logits[OutputLayout::argmax(top)];
        // Cells of a LUT are that wide.
        assert!(best - chosen < 0.02 * (best - logits.iter().copied().fold(best, f64::min)));
    }
}
