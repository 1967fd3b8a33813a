//! Programmable bootstrapping of many values, each with its own table.
//!
//! Key switch to the small LWE key, modulus switch to 2N, blind rotation of the table, extraction of
//! coefficient 0 (Chillotti et al., "TFHE", J. Cryptology 2020, section 5; in batches that read the
//! bootstrapping key once).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cipherformer_circuit::{ParameterSet, Precision};
use rayon::prelude::*;
use tfhe::core_crypto::prelude::*;

use crate::Scalars;
use crate::convert::{self, rounded_shift};
use crate::error::FheError;
use crate::interleave;
use crate::keys::EvaluationKey;
use crate::rotation::{Accumulator, Exponent};

/// At most this many values share one pass over the bootstrapping key; more do not fit the cache.
const BATCH: usize = 12;

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
    // As many batches for every thread, of nearly the same size.
    let batches = count
        .max(1)
        .div_ceil(BATCH)
        .next_multiple_of(rayon::current_num_threads());
    let batch = count.div_ceil(batches).max(1);
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
    let mut work = key.key_switch.workspace();
    let small = input
        .chunks(scalar_size.0)
        .map(|value| key.key_switch.apply(value, &mut work));
    let exponents: Vec<Exponent> = small.map(|x| exponent(&x, parameters)).collect();
    let accumulators = tables.iter().map(|table| accumulator(table, parameters));
    let mut accumulators: Vec<Accumulator> = accumulators.collect();
    key.bootstrap
        .rotate(&mut accumulators, &exponents, precision);
    for (accumulator, output) in accumulators.iter().zip(output.chunks_mut(scalar_size.0)) {
        extract(accumulator, parameters, output);
    }
}

/// A table in the clear is the body of a ciphertext whose masks are 0.
fn accumulator(table: &Table, parameters: &ParameterSet) -> Accumulator {
    let polynomials = parameters.bootstrap_glwe_dimension + 1;
    let mut accumulator = vec![0; polynomials * parameters.bootstrap_polynomial_size];
    let masks = accumulator.len() - table.len();
    accumulator[masks..].copy_from_slice(table);
    accumulator
}

/// Coefficient 0 of an accumulator as a scalar under the ring key.
fn extract(accumulator: &Accumulator, parameters: &ParameterSet, output: &mut [u64]) {
    let size = convert::bootstrap_size(parameters);
    let glwe = GlweCiphertext::from_container(accumulator.as_slice(), size, convert::modulus());
    let mut split = LweCiphertext::new(0, LweSize(output.len()), convert::modulus());
    extract_lwe_sample_from_glwe_ciphertext(&glwe, &mut split, MonomialDegree(0));
    let (body, mask) = split.as_ref().split_last().expect("a body is always there");
    let (output_body, output_mask) = output.split_last_mut().expect("a body is always there");
    interleave::join(mask, parameters.bootstrap_glwe_dimension, output_mask);
    *output_body = *body;
}

/// A value modulo 2N.
///
/// Shifts the phase by 1/4, into the table's range; rounds the mask and floors the body, after
/// taking from the body the mean of what rounding the mask does to the phase: the rounding errors times
/// the mean of the key's bits.
fn exponent(value: &[u32], parameters: &ParameterSet) -> Exponent {
    let modulus = 2 * parameters.bootstrap_polynomial_size;
    let shift = 32 - modulus.ilog2();
    let (body, mask) = value.split_last().expect("a body is always there");
    let mut errors = 0i64;
    let mask = mask
        .iter()
        .map(|&x| {
            let rounded = rounded_shift(u64::from(x), shift) as u32;
            errors += i64::from((rounded << shift).wrapping_sub(x) as i32);
            rounded as usize & (modulus - 1)
        })
        .collect();
    let mean = (errors as f64 * parameters.lwe_bit_mean()) as i64;
    let body = body.wrapping_add(1 << 30).wrapping_add(mean as u32);
    Exponent {
        mask,
        body: (body >> shift) as usize,
    }
}
