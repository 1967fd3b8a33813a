//! Single operations at the real parameters.
//!
//! `cargo bench --workspace --bench operations`; for one core, `RAYON_NUM_THREADS=1`.

use cipherformer_benches::{Keys, spread};
use cipherformer_circuit::graph::{IntMatrix, LutCell};
use cipherformer_circuit::parameters::{PRECISE_1024, STANDARD_2048};
use cipherformer_circuit::{Function, Precision};
use cipherformer_fhe::{
    EvaluationKey, PreparedLut, SecretKey, SeededEvaluationKey, linear, multiply, pack, scaled_lut,
};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const TANH: LutCell = LutCell {
    function: Function::Tanh,
    input_scale: 0.2,
    input_bias: 0.0,
    output_scale: 0.2,
    rounded: false,
};

fn scalars(keys: &Keys, count: usize) -> cipherformer_fhe::Scalars {
    let values: Vec<u64> = (0..count).map(spread).collect();
    keys.secret.encrypt_scalars(&values)
}

fn luts(c: &mut Criterion) {
    for (parameters, precision) in [
        (&STANDARD_2048, Precision::Full),
        (&PRECISE_1024, Precision::Full),
        (&PRECISE_1024, Precision::Coarse),
    ] {
        let keys = Keys::new(parameters);
        let mut group = c.benchmark_group(format!("lut {} {precision:?}", parameters.name));
        group.sample_size(10);
        for count in [1, 16, 64] {
            let values = scalars(&keys, count);
            let lut = PreparedLut::new(&vec![TANH; count], precision, parameters);
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::from_parameter(count), |b| {
                b.iter(|| lut.apply(&values, &keys.evaluation, &|_| ()).expect("fits"));
            });
        }
    }
}

/// Four scales for 16 values each.
fn scaled_luts(c: &mut Criterion) {
    let keys = Keys::new(&PRECISE_1024);
    let (values, scales) = (scalars(&keys, 64), scalars(&keys, 4));
    let mut group = c.benchmark_group("scaled lut");
    group.sample_size(10);
    group.throughput(Throughput::Elements(64));
    group.bench_function("64 values, 4 scales", |b| {
        b.iter(|| {
            scaled_lut(
                7,
                Precision::Full,
                &values,
                &scales,
                &keys.evaluation,
                &|_| (),
            )
            .expect("fits")
        });
    });
}

fn dense(c: &mut Criterion) {
    let keys = Keys::new(&STANDARD_2048);
    let values = scalars(&keys, 64);
    let weights: Vec<i8> = (0..64 * 64).map(|i| (i * 31 % 15) as i8 - 7).collect();
    let weights = IntMatrix::new(64, 64, weights).expect("64 x 64");
    c.bench_function("linear 64 to 64", |b| {
        b.iter(|| linear(&weights, &[0.0; 64], &values).expect("fits"));
    });
}

fn ring(c: &mut Criterion) {
    for parameters in [&STANDARD_2048, &PRECISE_1024] {
        let keys = Keys::new(parameters);
        let mut group = c.benchmark_group(format!("ring/{}", parameters.name));
        for count in [2, 8, 64] {
            let values = scalars(&keys, count);
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::new("pack", count), |b| {
                b.iter(|| pack(&values, &keys.evaluation).expect("fits"));
            });
        }
        let packed = pack(&scalars(&keys, 64), &keys.evaluation).expect("fits");
        group.throughput(Throughput::Elements(1));
        group.bench_function("product", |b| {
            b.iter(|| multiply(&packed, &packed, 1 << 8, &keys.evaluation));
        });
    }
}

fn keys(c: &mut Criterion) {
    let mut group = c.benchmark_group("keys");
    group.sample_size(10);
    group.bench_function("generate", |b| {
        b.iter(|| {
            let secret = SecretKey::generate(&STANDARD_2048);
            SeededEvaluationKey::generate(&secret, |_| ())
        });
    });
    let secret = SecretKey::generate(&STANDARD_2048);
    let bytes = SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
    let read = || SeededEvaluationKey::from_bytes(&bytes, &STANDARD_2048).expect("just made");
    group.bench_function("read", |b| b.iter(read));
    group.bench_function("expand", |b| {
        b.iter_batched(
            read,
            |key| EvaluationKey::expand(key, &STANDARD_2048),
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, luts, scaled_luts, dense, ring, keys);
criterion_main!(benches);
