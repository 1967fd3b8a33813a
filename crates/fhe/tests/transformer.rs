//! Encrypted transformers against the reference, position by position.

mod common;
#[path = "../../circuit/tests/common/transformer.rs"]
mod random;

use std::sync::Arc;

use cipherformer_circuit::parameters::{INSECURE_PRECISE, PRECISE_1024};
use cipherformer_circuit::{Bag, Circuit, ParameterSet, State, evaluate_next};
use cipherformer_fhe::{Encrypted, EncryptedBag, PreparedCircuit};
use common::client;
use random::{Sizes, circuit, forward, reference, rms, simulate, size, transformer};

/// Logits of every position, encrypted.
fn encrypted(circuit: &Arc<Circuit>, tokens: &[usize]) -> Vec<Vec<f64>> {
    let client = client(circuit.parameters());
    let prepared = PreparedCircuit::new(Arc::clone(circuit)).expect("small weights");
    let mut state = State::new(circuit);
    let step = |(position, &token): (usize, &usize)| {
        let bag = Bag::token(token);
        let input = EncryptedBag::encrypt(&bag, circuit.manifest(), &client.secret);
        let mut engine = Encrypted::new(&prepared, &client.evaluation).expect("same parameters");
        let input = input.expect("a token");
        let response = evaluate_next(circuit, &mut engine, &mut state, &input, &());
        let counters = engine.counters();
        assert_eq!(counters.luts, circuit.luts(position));
        assert_eq!(counters.ring_products, circuit.ring_products(position));
        let torus = response.expect("valid").decrypt(&client.secret);
        circuit.scores(&torus.expect("same parameters"))
    };
    tokens.iter().enumerate().map(step).collect()
}

/// The noise of logits is not Gaussian, as it passes through grids; its size is what simulation says, over `runs`
/// encrypted evaluations, each under a key of its own.
fn check(parameters: &'static ParameterSet, sizes: Sizes, tokens: &[usize], seed: u64, runs: u64) {
    let model = transformer(sizes, seed);
    let circuit = Arc::new(circuit(&model, parameters));
    let oracle = reference(&circuit, tokens);
    let mean = |runs: u64, evaluate: &dyn Fn(u64) -> Vec<Vec<f64>>| {
        let squares = (0..runs).map(|run| rms(&evaluate(run), &oracle).powi(2));
        (squares.sum::<f64>() / runs as f64).sqrt()
    };
    let simulated = mean(20, &|run| simulate(&circuit, tokens, run));
    let got = mean(runs, &|_| encrypted(&circuit, tokens));
    let size = size(&forward(&model, tokens));
    println!("{sizes:?}: encrypted {got:.4}, simulated {simulated:.4}, logits {size:.3}");
    assert!(
        got < 2.0 * simulated,
        "{sizes:?}: {got} against {simulated}"
    );
    assert!(got < 0.3 * size, "{sizes:?}: {got} of {size}");
}

#[test]
fn toys_of_many_shapes() {
    let small = Sizes {
        vocabulary: 5,
        context: 4,
        heads: 2,
        head_width: 4,
        width: 8,
        hidden: 6,
        blocks: 1,
    };
    for (seed, sizes) in [
        (1, small),
        (2, Sizes { blocks: 2, ..small }),
        (
            3,
            Sizes {
                heads: 1,
                context: 3,
                head_width: 8,
                ..small
            },
        ),
        (
            4,
            Sizes {
                context: 1,
                blocks: 0,
                ..small
            },
        ),
        (
            5,
            Sizes {
                head_width: 1,
                heads: 3,
                context: 6,
                ..small
            },
        ),
    ] {
        let tokens: Vec<usize> = (0..sizes.context).map(|i| (i * 3 + 1) % 5).collect();
        check(&INSECURE_PRECISE, sizes, &tokens, seed, 4);
    }
}

#[test]
fn three_positions_with_real_parameters() {
    let names = Sizes {
        vocabulary: 27,
        context: 16,
        heads: 4,
        head_width: 8,
        width: 32,
        hidden: 32,
        blocks: 1,
    };
    check(&PRECISE_1024, names, &[0, 13, 1], 7, 1);
}
