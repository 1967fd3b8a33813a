//! Keys, encryption and decryption at the real parameters, and what they weigh.
//!
//! `cargo bench --workspace --bench keys`

use cipherformer_benches::{Keys, bytes, spread};
use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::parameters::{FAST_1024, PRECISE_1024, STANDARD_2048};
use cipherformer_fhe::{EncryptedScores, EvaluationKey, SecretKey, SeededEvaluationKey};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const SETS: [&ParameterSet; 3] = [&STANDARD_2048, &FAST_1024, &PRECISE_1024];

fn keys(c: &mut Criterion) {
    for parameters in SETS {
        let mut group = c.benchmark_group(format!("keys {}", parameters.name));
        group.sample_size(10);
        group.bench_function("generate", |b| {
            b.iter(|| {
                let secret = SecretKey::generate(parameters);
                SeededEvaluationKey::generate(&secret, |_| ())
            });
        });
        let secret = SecretKey::generate(parameters);
        let bytes = SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
        println!("evaluation key, framed: {} bytes", bytes.len());
        bytes::print_keys(parameters);
        let read = || SeededEvaluationKey::from_bytes(&bytes, parameters).expect("just made");
        group.bench_function("read", |b| b.iter(read));
        group.bench_function("expand", |b| {
            b.iter_batched(
                read,
                |key| EvaluationKey::expand(key, parameters),
                BatchSize::PerIteration,
            );
        });
    }
}

fn messages(c: &mut Criterion) {
    for parameters in SETS {
        let secret = Keys::new(parameters).secret;
        let values: Vec<u64> = (0..parameters.ring_dimension).map(spread).collect();
        let packed = secret.encrypt_packed(&values);
        let scalars = secret.encrypt_scalars(&values[..64]);
        let response = EncryptedScores::compress(packed.clone(), 64, parameters);
        println!("response of 64 values: {} bytes", response.to_bytes().len());
        let mut group = c.benchmark_group(format!("messages {}", parameters.name));
        group.bench_function("encrypt packed", |b| {
            b.iter(|| secret.encrypt_packed(&values))
        });
        group.bench_function("decrypt packed", |b| {
            b.iter(|| secret.decrypt_packed(&packed))
        });
        group.bench_function("encrypt 64 scalars", |b| {
            b.iter(|| secret.encrypt_scalars(&values[..64]));
        });
        group.bench_function("decrypt 64 scalars", |b| {
            b.iter(|| secret.decrypt_scalars(&scalars));
        });
        group.bench_function("decrypt response of 64", |b| {
            b.iter(|| response.decrypt(&secret).expect("same parameters"));
        });
    }
}

criterion_group!(benches, keys, messages);
criterion_main!(benches);
