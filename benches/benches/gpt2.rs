//! Attention of GPT-2's shape, one head and four tokens; the program `gpt2_attention` measures more of it.
//!
//! `cargo bench --workspace --bench gpt2`

use cipherformer_benches::gpt2::{Layer, Model, Plan, Token};
use cipherformer_benches::{Keys, bytes};
use cipherformer_circuit::parameters::PRECISE_1024;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const TOKENS: usize = 4;

fn attention(c: &mut Criterion) {
    let parameters = &PRECISE_1024;
    let model = Model::new(1, 0);
    let plan = Plan::new(&model, TOKENS, parameters).expect("four tokens");
    let layer = Layer::new(&plan, parameters).expect("it fits");
    let keys = Keys::new(parameters);
    let inputs = Model::inputs(TOKENS, 1 << 33);
    let encrypt = || -> Vec<Token> {
        let tokens = inputs.iter();
        let encrypt = |input: &Vec<f64>| Token::encrypt(input, &plan, &layer, &keys.secret);
        tokens
            .map(|input| encrypt(input).expect("it fits"))
            .collect()
    };
    let evaluate = |tokens| layer.evaluate(tokens, &keys.evaluation).expect("it fits");

    let tokens = encrypt();
    let request: usize = tokens.iter().map(Token::bytes).sum();
    let (responses, counters, times) = evaluate(tokens);
    let response: usize = responses.iter().map(|r| r.to_bytes().len()).sum();
    bytes::print_keys(parameters);
    println!(
        "request {request} bytes, response {response} bytes, {} LUTs, {} ring products; {times:?}",
        counters.luts, counters.ring_products
    );

    let mut group = c.benchmark_group("gpt2 attention, 1 head, 4 tokens");
    group.sample_size(10);
    group.bench_function("encrypt", |b| b.iter(encrypt));
    group.bench_function("evaluate", |b| {
        b.iter_batched(encrypt, evaluate, BatchSize::PerIteration);
    });
    let decrypt = || {
        plan.decrypt(&responses[0], &keys.secret)
            .expect("same parameters")
    };
    group.bench_function("decrypt one token", |b| b.iter(decrypt));
}

criterion_group!(benches, attention);
criterion_main!(benches);
