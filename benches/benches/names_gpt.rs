//! One letter of the names model, layer by layer, at the real parameters.
//!
//! `cargo bench --workspace --bench names_gpt`

use cipherformer_benches::layers::{self, LayerTimes};
use cipherformer_benches::{Keys, bytes, shipped_circuit};
use cipherformer_circuit::{Bag, State, evaluate_next};
use cipherformer_fhe::{Encrypted, EncryptedBag, PreparedCircuit};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

/// Letters that were there before: what a position costs hardly depends on it.
const BEFORE: usize = 2;

fn names_gpt(c: &mut Criterion) {
    let circuit = shipped_circuit("names-gpt");
    let keys = Keys::new(circuit.parameters());
    let prepared = PreparedCircuit::new(circuit.clone()).expect("shipped circuits are valid");
    let encrypt = |token| {
        let bag = Bag::token(token);
        EncryptedBag::encrypt(&bag, circuit.manifest(), &keys.secret).expect("fits")
    };
    let request = encrypt(1);
    let mut engine = Encrypted::new(&prepared, &keys.evaluation).expect("same parameters");
    let mut state = State::new(&circuit);
    for _ in 0..BEFORE {
        evaluate_next(&circuit, &mut engine, &mut state, &request, &()).expect("fits");
    }

    let mut engine = Encrypted::new(&prepared, &keys.evaluation).expect("same parameters");
    let times = LayerTimes::default();
    let mut after = state.clone();
    let response =
        evaluate_next(&circuit, &mut engine, &mut after, &request, &times).expect("fits");
    layers::print(times);
    bytes::print_circuit(&circuit);
    bytes::print_evaluation(&request, &response, engine.counters());

    let mut group = c.benchmark_group("names gpt");
    group.bench_function("encrypt", |b| b.iter(|| encrypt(1).to_bytes()));
    group.bench_function("decrypt", |b| b.iter(|| response.decrypt(&keys.secret)));
    group.sample_size(10);
    group.bench_function("letter", |b| {
        b.iter_batched_ref(
            || state.clone(),
            |state| {
                let mut engine =
                    Encrypted::new(&prepared, &keys.evaluation).expect("same parameters");
                evaluate_next(&circuit, &mut engine, state, &request, &()).expect("fits")
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, names_gpt);
criterion_main!(benches);
