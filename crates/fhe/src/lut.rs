//! LUTs: any function of one value, by programmable bootstrapping.
//!
//! Key switch to the small LWE key, modulus switch to 2N, blind rotation of the table, extraction of
//! coefficient 0 (Chillotti et al., "TFHE", J. Cryptology 2020, section 5; in batches that read the
//! bootstrapping key once).

use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::graph::{LutCell, cell_centre};
use rayon::prelude::*;
use tfhe::core_crypto::fft_impl::fft64::crypto::bootstrap::batch_blind_rotate_assign_scratch;
use tfhe::core_crypto::prelude::*;

use crate::Scalars;
use crate::convert::{self, rounded_shift, to_torus};
use crate::error::FheError;
use crate::keys::EvaluationKey;

/// At most this many LUTs share one pass over the bootstrapping key; more do not fit the cache.
const BATCH: usize = 8;

/// The tables of a layer's LUTs, as polynomials: N torus values each.
#[derive(Debug)]
pub struct PreparedLut {
    tables: Vec<Vec<u64>>,
}

impl PreparedLut {
    /// Evaluates every function at the centre of every table cell.
    ///
    /// The input range [-1/4, 1/4) is shifted to [0, 1/2); cell i is [i, i + 1) / 2N of it.
    pub fn new(cells: &[LutCell], parameters: &ParameterSet) -> Self {
        let size = parameters.bootstrap_polynomial_size;
        let table = |cell: &LutCell| {
            (0..size)
                .map(|i| to_torus(cell.apply(cell_centre(i, size))))
                .collect()
        };
        Self {
            tables: cells.iter().map(table).collect(),
        }
    }

    /// Tables of N torus values each, cell i for inputs of [i, i + 1) / 2N - 1/4.
    ///
    /// # Errors
    /// A table of another length.
    pub fn from_tables(tables: Vec<Vec<u64>>, parameters: &ParameterSet) -> Result<Self, FheError> {
        let size = parameters.bootstrap_polynomial_size;
        match tables.iter().find(|table| table.len() != size) {
            Some(table) => Err(FheError::Shape {
                operation: "LUT table",
                expected: format!("{size} cells"),
                got: table.len().to_string(),
            }),
            None => Ok(Self { tables }),
        }
    }

    /// Applies function i to value i. Calls `done` with the number of LUTs finished, as they finish.
    ///
    /// Input noise: the values', plus `lut_input_variance`. Output noise: `lut_output_variance`.
    /// Cost: one LUT a value, on all cores.
    ///
    /// # Errors
    /// Another number of values than of functions, or values of another dimension.
    pub fn apply(
        &self,
        values: &Scalars,
        key: &EvaluationKey,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Scalars, FheError> {
        let count = values.lwe_ciphertext_count().0;
        let size = convert::scalar_size(key.parameters);
        if count != self.tables.len() || values.lwe_size() != size {
            return Err(FheError::Shape {
                operation: "lut",
                expected: format!("{} values of size {}", self.tables.len(), size.0),
                got: format!("{count} values of size {}", values.lwe_size().0),
            });
        }
        let mut output = vec![0; count * size.0];
        let batch = BATCH
            .min(count.div_ceil(rayon::current_num_threads()))
            .max(1);
        let finished = std::sync::atomic::AtomicUsize::new(0);
        output
            .par_chunks_mut(batch * size.0)
            .zip(values.as_ref().par_chunks(batch * size.0))
            .zip(self.tables.par_chunks(batch))
            .for_each(|((output, input), tables)| {
                bootstrap_batch(input, tables, output, key);
                let before = finished.fetch_add(tables.len(), std::sync::atomic::Ordering::SeqCst);
                done(before + tables.len());
            });
        Ok(Scalars::from_container(output, size, convert::modulus()))
    }
}

/// Bootstraps a batch on the current thread.
fn bootstrap_batch(input: &[u64], tables: &[Vec<u64>], output: &mut [u64], key: &EvaluationKey) {
    let parameters = key.parameters;
    let size = convert::bootstrap_size(parameters);
    let glwe_size = convert::bootstrap_glwe_size(parameters);
    let scalar_size = convert::scalar_size(parameters);
    let values: Vec<&[u64]> = input.chunks(scalar_size.0).collect();
    let log_modulus = size.to_blind_rotation_input_modulus_log();
    let small = key.key_switch.apply(&values);
    let switched: Vec<SwitchedLwe> = small
        .iter()
        .map(|value| SwitchedLwe::new(value, log_modulus))
        .collect();
    let mut accumulators = GlweCiphertextList::new(
        0,
        glwe_size,
        size,
        GlweCiphertextCount(tables.len()),
        convert::modulus(),
    );
    for (mut accumulator, table) in accumulators.iter_mut().zip(tables) {
        accumulator.get_mut_body().as_mut().copy_from_slice(table);
    }
    let fft = Fft::new(size);
    let mut buffers = ComputationBuffers::new();
    let count = CiphertextCount(tables.len());
    let scratch = batch_blind_rotate_assign_scratch::<u64>(glwe_size, size, count, fft.as_view());
    buffers.resize(scratch.unaligned_bytes_required());
    key.bootstrap.as_view().batch_blind_rotate_assign(
        accumulators.as_mut_view(),
        &switched,
        fft.as_view(),
        buffers.stack(),
    );
    for (accumulator, output) in accumulators.iter().zip(output.chunks_mut(scalar_size.0)) {
        let mut output = LweCiphertext::from_container(output, convert::modulus());
        extract_lwe_sample_from_glwe_ciphertext(&accumulator, &mut output, MonomialDegree(0));
    }
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

pub(crate) fn scaled_lut(
    _: u32,
    _: &Scalars,
    _: &Scalars,
    _: &EvaluationKey,
    _: &(dyn Fn(usize) + Sync),
) -> Result<Scalars, FheError> {
    unimplemented!()
}
