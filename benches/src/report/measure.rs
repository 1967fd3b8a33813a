//! What the report measures itself.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cipherformer_circuit::graph::LutCell;
use cipherformer_circuit::parameters::{FAST_1024, PRECISE_1024, STANDARD_2048};
use cipherformer_circuit::{Bag, Function, ParameterSet, Precision, State, evaluate_next};
use cipherformer_fhe::{Encrypted, EncryptedBag, PreparedCircuit, PreparedLut, Scalars};
use rayon::ThreadPoolBuilder;

use crate::compare::{self, Report};
use crate::gpt2::{self, Attention};
use crate::layers::LayerTimes;
use crate::{Keys, shipped_circuit, spread};

/// LUTs of a full batch.
const BATCH: usize = 64;

/// The fastest of so many tries: others were disturbed.
const TRIES: usize = 3;

/// Everything on the page.
pub(super) struct Measurements {
    pub(super) cores: usize,
    /// Floating-point operations a second, of one core.
    pub(super) peak_flops: f64,
    pub(super) luts: Vec<LutCost>,
    /// Threads, and LUTs a second of `fast-1024`.
    pub(super) scaling: Vec<(usize, f64)>,
    pub(super) letter: Letter,
    pub(super) attention: Vec<Attention>,
    pub(super) comparisons: Report,
}

/// LUTs of one set and precision, on one core.
pub(super) struct LutCost {
    pub(super) parameters: &'static ParameterSet,
    pub(super) precision: Precision,
    /// In a full batch.
    pub(super) seconds: f64,
    /// Alone.
    pub(super) alone: f64,
}

/// A name, on all cores.
pub(crate) struct Letter {
    /// Of the last position, layer by layer.
    pub(crate) layers: Vec<(String, Duration)>,
    /// LUTs and time of every position.
    pub(crate) positions: Vec<(usize, Duration)>,
}

impl Measurements {
    pub(super) fn take(rounds: usize) -> Result<Self> {
        let cores = std::thread::available_parallelism()?.get();
        eprintln!("LUTs");
        let mut luts = Vec::new();
        let mut scaling = Vec::new();
        for (parameters, precisions) in [
            (&STANDARD_2048, &[Precision::Full][..]),
            (&FAST_1024, &[Precision::Full]),
            (&PRECISE_1024, &[Precision::Coarse, Precision::Full]),
        ] {
            let keys = Keys::new(parameters);
            for &precision in precisions {
                luts.push(LutCost {
                    parameters,
                    precision,
                    seconds: lut_seconds(&keys, parameters, precision, BATCH, 1)?,
                    alone: lut_seconds(&keys, parameters, precision, 1, 1)?,
                });
            }
            if parameters.name == FAST_1024.name {
                for threads in powers_of_2(cores) {
                    let seconds = lut_seconds(&keys, parameters, Precision::Full, BATCH, threads)?;
                    scaling.push((threads, 1.0 / seconds));
                }
            }
        }
        eprintln!("a name");
        let letter = letter()?;
        let mut attention = Vec::new();
        for (heads, tokens) in [(1, 2), (1, 4), (1, 8), (1, 16), (gpt2::HEADS, 8)] {
            eprintln!("attention, {heads} heads, {tokens} tokens");
            attention.push(gpt2::measure(heads, tokens, 0)?);
        }
        Ok(Self {
            cores,
            peak_flops: peak_flops(),
            luts,
            scaling,
            letter,
            attention,
            comparisons: compare::run_all(&[], rounds)?,
        })
    }
}

/// 1, 2, 4 ... and the number itself.
fn powers_of_2(most: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..).map(|i| 1 << i).take_while(|&n| n < most).collect();
    all.push(most);
    all
}

/// A LUT's share of a batch.
fn lut_seconds(
    keys: &Keys,
    parameters: &ParameterSet,
    precision: Precision,
    count: usize,
    threads: usize,
) -> Result<f64> {
    let values: Vec<u64> = (0..count).map(spread).collect();
    let values = keys.secret.encrypt_scalars(&values);
    let tanh = LutCell {
        function: Function::Tanh,
        input_scale: 0.2,
        input_bias: 0.0,
        output_scale: 0.2,
        rounded: false,
    };
    let lut = PreparedLut::new(&vec![tanh; count], precision, parameters);
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    let fastest = pool?.install(|| fastest(|| apply(&lut, &values, keys)))?;
    Ok(fastest.as_secs_f64() / count as f64)
}

fn apply(lut: &PreparedLut, values: &Scalars, keys: &Keys) -> Result<()> {
    lut.apply(values, &keys.evaluation, &|_| ())?;
    Ok(())
}

fn fastest(mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..TRIES {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed());
    }
    times.into_iter().min().context("there is one try")
}

/// The names model, letter by letter up to its whole context.
pub(crate) fn letter() -> Result<Letter> {
    let circuit = shipped_circuit("names-gpt");
    let keys = Keys::new(circuit.parameters());
    let prepared = PreparedCircuit::new(circuit.clone())?;
    let mut engine = Encrypted::new(&prepared, &keys.evaluation)?;
    let mut state = State::new(&circuit);
    let (mut positions, mut layers) = (Vec::new(), Vec::new());
    for position in 0..circuit.positions() {
        let bag = Bag::token(position % circuit.vocabulary().len());
        let request = EncryptedBag::encrypt(&bag, circuit.manifest(), &keys.secret)?;
        let times = LayerTimes::default();
        let start = Instant::now();
        evaluate_next(&circuit, &mut engine, &mut state, &request, &times)?;
        positions.push((circuit.luts(position), start.elapsed()));
        layers = times.finish();
    }
    Ok(Letter { layers, positions })
}

/// Multiplications and additions that one core does when it does nothing else: vectors of whatever length the processor has,
/// enough of them not to wait for each other.
fn peak_flops() -> f64 {
    let arch = pulp::Arch::new();
    (0..5).map(|_| arch.dispatch(Peak)).fold(0.0, f64::max)
}

struct Peak;

impl pulp::WithSimd for Peak {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> f64 {
        const CHAINS: usize = 12;
        const STEPS: usize = 2_000_000;
        let half = simd.splat_f64s(std::hint::black_box(0.5));
        let one = simd.splat_f64s(1.0);
        let mut sums = [one; CHAINS];
        let start = Instant::now();
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = simd.mul_add_f64s(*sum, half, one);
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let mut total = one;
        for sum in sums {
            total = simd.add_f64s(total, sum);
        }
        std::hint::black_box(simd.reduce_sum_f64s(total));
        (2 * CHAINS * STEPS * S::F64_LANES) as f64 / seconds
    }
}
