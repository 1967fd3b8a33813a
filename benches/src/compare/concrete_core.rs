//! The historical baseline: key switch and PBS of concrete-core 1.0.2, the library's ancestor.
//!
//! With `PARAM_MESSAGE_2_CARRY_2` of its time (early 2023; tfhe-rs 0.1): 4 bits and padding, failures below 2^-40,
//! 128 bits of security as attacks were estimated then. Today's sets need larger n and N for the same.

use anyhow::{Result, ensure};
use cipherformer_circuit::parameters::FAST_1024;
use concrete_core::prelude::*;

use super::levels::{Batch, LEVELS, function};
use super::lut::BATCH;
use super::timing::{self, in_turns, timed};
use super::{Comparison, Side};

const SMALL: LweDimension = LweDimension(742);
const SIZE: PolynomialSize = PolynomialSize(2048);
const SMALL_STD: f64 = 0.000007069849454709433;
const LARGE_STD: f64 = 0.00000000000000029403601535432533;

/// log2 of the distance of two messages on the torus of 2^64: 16 of them, and a bit of padding.
const DELTA_LOG2: u32 = 59;

/// Our LUT beside theirs.
pub(super) fn run(rounds: usize) -> Result<Comparison> {
    let batch = Batch::new(BATCH, &FAST_1024)?;
    let mut baseline = Baseline::new()?;
    let mut bootstraps = Vec::new();
    let times = in_turns(
        rounds,
        || batch.time(),
        || {
            let (both, bootstrap) = baseline.time()?;
            bootstraps.push(bootstrap);
            Ok(both)
        },
    )?;
    let theirs = Side {
        what: format!("discard_keyswitch and discard_bootstrap (FFT engine), {BATCH} one after the other"),
        parameters: "concrete-core 1.0.2 with PARAM_MESSAGE_2_CARRY_2 of tfhe-rs 0.1: n = 742, k = 1, N = 2048; \
                     128 bits of security by the estimates of 2022"
            .to_owned(),
        failure_log2: Some(-40.0),
        checked: true,
    };
    let comparison = Comparison::new("one LUT", times, batch.side(), theirs);
    Ok(comparison.with("theirs_bootstrap_alone_ms", timing::median(bootstraps)))
}

struct Baseline {
    engine: DefaultEngine,
    fft: FftEngine,
    key: LweSecretKey64,
    key_switch: LweKeyswitchKey64,
    bootstrap: FftFourierLweBootstrapKey64,
    table: GlweCiphertext64,
}

impl Baseline {
    fn new() -> Result<Self> {
        let seeder = UnixSeeder::new(rand::random());
        let mut engine = DefaultEngine::new(Box::new(seeder))?;
        let mut fft = FftEngine::new(())?;
        let small: LweSecretKey64 = engine.generate_new_lwe_secret_key(SMALL)?;
        let dimension = GlweDimension(1);
        let ring: GlweSecretKey64 = engine.generate_new_glwe_secret_key(dimension, SIZE)?;
        let (base, levels) = (DecompositionBaseLog(23), DecompositionLevelCount(1));
        let bootstrap: LweBootstrapKey64 = engine.generate_new_lwe_bootstrap_key(
            &small,
            &ring,
            base,
            levels,
            variance(LARGE_STD),
        )?;
        let bootstrap = fft.convert_lwe_bootstrap_key(&bootstrap)?;
        let key: LweSecretKey64 = engine.transform_glwe_secret_key_to_lwe_secret_key(ring)?;
        let (levels, base) = (DecompositionLevelCount(5), DecompositionBaseLog(3));
        let key_switch = engine.generate_new_lwe_keyswitch_key(
            &key,
            &small,
            levels,
            base,
            variance(SMALL_STD),
        )?;
        let table = engine.create_plaintext_vector_from(&table())?;
        let table = engine.trivially_encrypt_glwe_ciphertext(dimension.to_glwe_size(), &table)?;
        Ok(Self {
            engine,
            fft,
            key,
            key_switch,
            bootstrap,
            table,
        })
    }

    /// Looks a batch up and checks the results; milliseconds of one, and of its bootstrap alone.
    fn time(&mut self) -> Result<(f64, f64)> {
        let (mut both, mut alone) = (0.0, 0.0);
        for input in (0..BATCH as u64).map(|i| i % LEVELS) {
            let plaintext = self.engine.create_plaintext_from(&(input << DELTA_LOG2))?;
            let noise = variance(LARGE_STD);
            let mut value: LweCiphertext64 = self
                .engine
                .encrypt_lwe_ciphertext(&self.key, &plaintext, noise)?;
            let small = vec![0u64; SMALL.to_lwe_size().0];
            let mut small: LweCiphertext64 = self.engine.create_lwe_ciphertext_from(small)?;
            let (switched, switch) = timed(|| {
                self.engine
                    .discard_keyswitch_lwe_ciphertext(&mut small, &value, &self.key_switch)
            });
            switched?;
            let (bootstrapped, bootstrap) = timed(|| {
                let (table, key) = (&self.table, &self.bootstrap);
                self.fft
                    .discard_bootstrap_lwe_ciphertext(&mut value, &small, table, key)
            });
            bootstrapped?;
            both += switch + bootstrap;
            alone += bootstrap;
            self.check(&value, function(input))?;
        }
        Ok((both / BATCH as f64, alone / BATCH as f64))
    }

    fn check(&mut self, value: &LweCiphertext64, expected: u64) -> Result<()> {
        let plaintext = self.engine.decrypt_lwe_ciphertext(&self.key, value)?;
        let torus: u64 = self.engine.retrieve_plaintext(&plaintext)?;
        let got = torus.wrapping_add(1 << (DELTA_LOG2 - 1)) >> DELTA_LOG2;
        ensure!(
            expected == got,
            "concrete-core's LUT: {got} instead of {expected}"
        );
        Ok(())
    }
}

/// The function's table: a box for each message, turned by half a box, so that messages are in the middle of theirs.
fn table() -> Vec<u64> {
    let length = SIZE.0 / LEVELS as usize;
    let mut table: Vec<u64> = (0..SIZE.0)
        .map(|i| function((i / length) as u64) << DELTA_LOG2)
        .collect();
    for entry in &mut table[..length / 2] {
        *entry = entry.wrapping_neg();
    }
    table.rotate_left(length / 2);
    table
}

fn variance(std: f64) -> Variance {
    Variance(std * std)
}
