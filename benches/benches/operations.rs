//! Single operations at the real parameters.
//!
//! `cargo bench --workspace --bench operations`; for one core, `RAYON_NUM_THREADS=1`.

use cipherformer_benches::{Keys, bytes, spread};
use cipherformer_circuit::graph::{IntMatrix, LutCell};
use cipherformer_circuit::parameters::{FAST_1024, PRECISE_1024, STANDARD_2048};
use cipherformer_circuit::{Function, ParameterSet, Precision};
use cipherformer_fhe::{
    PreparedLut, PreparedMatrix, PreparedTable, Scalars, linear, multiply, pack, rerandomize,
    scaled_lut,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const SETS: [&ParameterSet; 3] = [&STANDARD_2048, &FAST_1024, &PRECISE_1024];

const TANH: LutCell = LutCell {
    function: Function::Tanh,
    input_scale: 0.2,
    input_bias: 0.0,
    output_scale: 0.2,
    rounded: false,
};

fn scalars(keys: &Keys, count: usize) -> Scalars {
    let values: Vec<u64> = (0..count).map(spread).collect();
    keys.secret.encrypt_scalars(&values)
}

/// Weights of -7 to 7.
fn weights(rows: usize, columns: usize) -> IntMatrix {
    let weights = (0..rows * columns).map(|i| (i * 31 % 15) as i8 - 7);
    IntMatrix::new(rows, columns, weights.collect()).expect("rows x columns")
}

/// Key switch, blind rotation and extraction.
fn luts(c: &mut Criterion) {
    for (parameters, precision) in [
        (&STANDARD_2048, Precision::Full),
        (&FAST_1024, Precision::Full),
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

/// 64 to 64: the sums, then with an activation.
fn dense(c: &mut Criterion) {
    println!("dense 64 to 64 with activation: 64 LUTs, 0 ring products");
    let weights = weights(64, 64);
    for parameters in SETS {
        let keys = Keys::new(parameters);
        let values = scalars(&keys, 64);
        let sums = || linear(&weights, &[0.0; 64], &values).expect("fits");
        let lut = PreparedLut::new(&[TANH; 64], Precision::Coarse, parameters);
        let mut group = c.benchmark_group(format!("dense 64 to 64 {}", parameters.name));
        group.sample_size(10);
        group.bench_function("linear", |b| b.iter(sums));
        group.bench_function("with activation", |b| {
            b.iter(|| lut.apply(&sums(), &keys.evaluation, &|_| ()).expect("fits"));
        });
    }
}

fn ring(c: &mut Criterion) {
    for parameters in SETS {
        let keys = Keys::new(parameters);
        let mut group = c.benchmark_group(format!("ring {}", parameters.name));
        for count in [2, 8, 64] {
            let values = scalars(&keys, count);
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::new("pack", count), |b| {
                b.iter(|| pack(&values, &keys.evaluation).expect("fits"));
            });
        }
        let packed = pack(&scalars(&keys, 64), &keys.evaluation).expect("fits");
        group.throughput(Throughput::Elements(1));
        group.bench_function("rerandomize and flood 64", |b| {
            let flood = || (0..64).map(|i| (i, 1e-6));
            b.iter(|| rerandomize(&mut packed.clone(), flood(), &keys.evaluation));
        });
        group.bench_function("product, encrypted x encrypted", |b| {
            b.iter(|| multiply(&packed, &packed, 1 << 8, &keys.evaluation));
        });
        let table = weights(parameters.ring_dimension, 1);
        let table = PreparedTable::new(&table, 1, parameters).expect("fits");
        let packed = [packed];
        group.bench_function("product, clear x encrypted", |b| {
            b.iter(|| table.apply(&packed).expect("fits"));
        });
    }
}

/// An encrypted vector of 768 times a clear matrix, packed in and out.
fn matrix(c: &mut Criterion) {
    let weights = weights(768, 768);
    for parameters in [&FAST_1024, &PRECISE_1024] {
        let keys = Keys::new(parameters);
        let matrix = PreparedMatrix::new(&weights, 64, parameters).expect("fits");
        let values: Vec<u64> = (0..64).map(spread).collect();
        let vector: Vec<_> = (0..12)
            .map(|_| keys.secret.encrypt_packed(&values))
            .collect();
        println!("768 x 768: {} ring products", matrix.ring_products());
        let mut group = c.benchmark_group(format!("matrix {}", parameters.name));
        group.sample_size(10);
        group.bench_function("768 x 768", |b| {
            b.iter(|| matrix.apply(&vector, &keys.evaluation).expect("fits"));
        });
    }
}

fn sizes(_: &mut Criterion) {
    SETS.iter().for_each(|set| bytes::print_keys(set));
}

criterion_group!(benches, sizes, luts, scaled_luts, dense, ring, matrix);
criterion_main!(benches);
