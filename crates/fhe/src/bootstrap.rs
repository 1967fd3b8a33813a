//! Programmable bootstrapping of many values, each with its own table.
//!
//! Key switch to the small LWE key, modulus switch to 2N, blind rotation of the table, extraction of
//! coefficient 0 (Chillotti et al., "TFHE", J. Cryptology 2020, section 5; in batches that read the
//! bootstrapping key once).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cipherformer_circuit::Precision;
use rayon::prelude::*;
use tfhe::core_crypto::fft_impl::fft64::crypto::bootstrap::batch_blind_rotate_assign_scratch;
use tfhe::core_crypto::prelude::*;

use crate::Scalars;
use crate::convert::{self, rounded_shift};
use crate::error::FheError;
use crate::interleave;
use crate::keys::EvaluationKey;

/// At most this many values share one pass over the bootstrapping key; more do not fit the cache.
const BATCH: usize = 8;

/// What a blind rotation rotates: N torus values in the clear, or a ciphertext of them in the blind
/// rotation's ring, body last. Values may share one.
pub(crate) type Table = Arc<[u64]>;

/// Looks up value i in table i, on all cores. Calls `done` with the number finished, as they finish.
///
/// # Errors
/// Another number of values than of tables, or values of another dimension.
pub(crate) fn bootstrap(
    values: &Scalars,
    tables: &[Table],
    precision: Precision,
    key: &EvaluationKey,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Scalars, FheError> {
    let count = values.lwe_ciphertext_count().0;
    let size = convert::scalar_size(key.parameters);
    if count != tables.len() || values.lwe_size() != size {
        return Err(FheError::Shape {
            operation: "lut",
            expected: format!("{} values of size {}", tables.len(), size.0),
            got: format!("{count} values of size {}", values.lwe_size().0),
        });
    }
    let mut output = vec![0; count * size.0];
    let batch = BATCH
        .min(count.div_ceil(rayon::current_num_threads()))
        .max(1);
    let finished = AtomicUsize::new(0);
    output
        .par_chunks_mut(batch * size.0)
        .zip(values.as_ref().par_chunks(batch * size.0))
        .zip(tables.par_chunks(batch))
        .for_each(|((output, input), tables)| {
            bootstrap_batch(input, tables, output, precision, key);
            let before = finished.fetch_add(tables.len(), Ordering::SeqCst);
            done(before + tables.len());
        });
    Ok(Scalars::from_container(output, size, convert::modulus()))
}

/// Bootstraps a batch on the current thread.
fn bootstrap_batch(
    input: &[u64],
    tables: &[Table],
    output: &mut [u64],
    precision: Precision,
    key: &EvaluationKey,
) {
    let parameters = key.parameters;
    let scalar_size = convert::scalar_size(parameters);
    let values: Vec<&[u64]> = input.chunks(scalar_size.0).collect();
    let log_modulus = convert::bootstrap_size(parameters).to_blind_rotation_input_modulus_log();
    let small = key.key_switch.apply(&values);
    let switched: Vec<SwitchedLwe> = small
        .iter()
        .map(|value| SwitchedLwe::new(value, log_modulus))
        .collect();
    let accumulators = rotate(tables, &switched, precision, key);
    for (accumulator, output) in accumulators.iter().zip(output.chunks_mut(scalar_size.0)) {
        extract(&accumulator, output);
    }
}

/// Every table rotated by its value: accumulators whose coefficient 0 is what was looked up.
fn rotate(
    tables: &[Table],
    values: &[SwitchedLwe],
    precision: Precision,
    key: &EvaluationKey,
) -> GlweCiphertextListOwned<u64> {
    let size = convert::bootstrap_size(key.parameters);
    let glwe_size = convert::bootstrap_glwe_size(key.parameters);
    let count = CiphertextCount(tables.len());
    let mut accumulators = GlweCiphertextList::new(
        0,
        glwe_size,
        size,
        GlweCiphertextCount(count.0),
        convert::modulus(),
    );
    for (mut accumulator, table) in accumulators.iter_mut().zip(tables) {
        // A table in the clear is the body of a ciphertext whose masks are 0.
        let accumulator = accumulator.as_mut();
        let masks = accumulator.len() - table.len();
        accumulator[masks..].copy_from_slice(table);
    }
    let fft = Fft::new(size);
    let mut buffers = ComputationBuffers::new();
    let scratch = batch_blind_rotate_assign_scratch::<u64>(glwe_size, size, count, fft.as_view());
    buffers.resize(scratch.unaligned_bytes_required());
    key.bootstrap(precision)
        .as_view()
        .batch_blind_rotate_assign(
            accumulators.as_mut_view(),
            values,
            fft.as_view(),
            buffers.stack(),
        );
    accumulators
}

/// Coefficient 0 of an accumulator as a scalar under the ring key.
fn extract(accumulator: &GlweCiphertext<&[u64]>, output: &mut [u64]) {
    let k = accumulator.glwe_size().to_glwe_dimension().0;
    let mut split = LweCiphertext::new(0, LweSize(output.len()), convert::modulus());
    extract_lwe_sample_from_glwe_ciphertext(accumulator, &mut split, MonomialDegree(0));
    let (body, mask) = split.as_ref().split_last().expect("a body is always there");
    let (output_body, output_mask) = output.split_last_mut().expect("a body is always there");
    interleave::join(mask, k, output_mask);
    *output_body = *body;
}

/// An LWE ciphertext modulo 2N.
struct SwitchedLwe {
    mask: Vec<usize>,
    body: usize,
    log_modulus: CiphertextModulusLog,
}

impl SwitchedLwe {
    /// Shifts the phase by 1/4, into the table's range; rounds the mask and floors the body, after
    /// taking from the body the mean of what rounding the mask does to the phase: half of the
    /// rounding errors, as half of the key bits are 1.
    fn new(value: &[u32], log_modulus: CiphertextModulusLog) -> Self {
        let shift = 32 - log_modulus.0 as u32;
        let (body, mask) = value.split_last().expect("a body is always there");
        let mut errors = 0i32;
        let mask = mask
            .iter()
            .map(|&x| {
                let rounded = rounded_shift(u64::from(x), shift) as u32;
                errors = errors.wrapping_add((rounded << shift).wrapping_sub(x) as i32);
                (rounded as usize) & ((1 << log_modulus.0) - 1)
            })
            .collect();
        let body = body.wrapping_add(1 << 30).wrapping_add((errors / 2) as u32);
        Self {
            mask,
            body: (body >> shift) as usize,
            log_modulus,
        }
    }
}

impl ModulusSwitchedLweCiphertext<usize> for SwitchedLwe {
    fn log_modulus(&self) -> CiphertextModulusLog {
        self.log_modulus
    }

    fn lwe_dimension(&self) -> LweDimension {
        LweDimension(self.mask.len())
    }

    fn body(&self) -> usize {
        self.body
    }

    fn mask(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.mask.iter().copied()
    }
}
