//! Integers of 4 bits on our ciphertexts: 16 levels over a LUT's input range, as wide apart as shortint's.

use anyhow::{Result, ensure};
use cipherformer_circuit::noise::failure_log2;
use cipherformer_circuit::{ParameterSet, Precision};
use cipherformer_fhe::{EvaluationKey, PreparedLut, Scalars};

use super::Side;
use super::timing::timed;
use crate::Keys;

/// How many there are.
pub(super) const LEVELS: u64 = 16;

/// The lower end of a LUT's range, -1/4, on the torus of 2^64.
const LOWEST: u64 = (1u64 << 62).wrapping_neg();

/// log2 of a level's width on the torus of 2^64: 1/32.
const WIDTH_LOG2: u32 = 59;

/// The middle of a level.
pub(super) fn encode(level: u64) -> u64 {
    LOWEST.wrapping_add((level << WIDTH_LOG2) + (1 << (WIDTH_LOG2 - 1)))
}

/// The level a torus value lies in; 16 or more outside the range.
pub(super) fn decode(torus: u64) -> u64 {
    torus.wrapping_sub(LOWEST) >> WIDTH_LOG2
}

/// The function all LUTs are compared with: any would do.
pub(super) fn function(level: u64) -> u64 {
    (7 * level + 3) % LEVELS
}

/// A batch of levels to look up, encrypted, with the keys.
pub(super) struct Batch {
    keys: Keys,
    levels: Vec<u64>,
    values: Scalars,
    lut: PreparedLut,
}

impl Batch {
    /// All levels in turn, `count` of them.
    pub(super) fn new(count: usize, parameters: &'static ParameterSet) -> Result<Self> {
        let keys = Keys::new(parameters);
        let levels: Vec<u64> = (0..count as u64).map(|i| i % LEVELS).collect();
        let torus: Vec<u64> = levels.iter().map(|&level| encode(level)).collect();
        let cells = parameters.bootstrap_polynomial_size as u64;
        let cell = |i| encode(function(i * LEVELS / cells));
        let table: Vec<u64> = (0..cells).map(cell).collect();
        Ok(Self {
            values: keys.secret.encrypt_scalars(&torus),
            lut: PreparedLut::from_tables(vec![table; count], Precision::Full, parameters)?,
            levels,
            keys,
        })
    }

    /// Looks all up and checks the results; milliseconds of one.
    pub(super) fn time(&self) -> Result<f64> {
        let key: &EvaluationKey = &self.keys.evaluation;
        let (output, time) = timed(|| self.lut.apply(&self.values, key, &|_| ()));
        let output = self.keys.secret.decrypt_scalars(&output?);
        for (&level, torus) in self.levels.iter().zip(output) {
            let (expected, got) = (function(level), decode(torus));
            ensure!(expected == got, "our LUT: {got} instead of {expected}");
        }
        Ok(time / self.levels.len() as f64)
    }

    /// What it is.
    pub(super) fn side(&self) -> Side {
        let parameters = self.keys.secret.parameters();
        Side {
            what: format!(
                "LUTs with 4-bit inputs and outputs, key switch included, in a batch of {}",
                self.levels.len()
            ),
            parameters: described(parameters),
            failure_log2: Some(failure(parameters)),
            checked: true,
        }
    }
}

/// log2 of the probability that noise carries an input from the middle of its level to another.
fn failure(parameters: &ParameterSet) -> f64 {
    let carried = parameters.lut_output_variance(Precision::Full);
    let noise = (parameters.lut_input_variance() + carried).sqrt();
    failure_log2(1.0 / 64.0, noise)
}

/// A parameter set in a line.
pub(super) fn described(set: &ParameterSet) -> String {
    format!(
        "{}: n = {} in blocks of {}, k = {}, N = {}, {} bits of security",
        set.name,
        set.lwe_dimension,
        set.lwe_block,
        set.bootstrap_glwe_dimension,
        set.bootstrap_polynomial_size,
        set.security_bits
    )
}
