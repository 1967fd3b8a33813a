//! Blind rotation: a table, perhaps encrypted, times X to the power of an encrypted exponent.
//!
//! Chillotti et al., "TFHE", J. Cryptology 2020, section 4.3, block by block of the small key: at most one of a
//! block's bits is 1, so X to the power of its part of the phase is `1 + sum s_i (X^a_i - 1)`, and one decomposition
//! of the accumulator serves all of the block's GGSW ciphertexts (Lee, Min, Seo, Song, "Faster TFHE
//! bootstrapping with block binary keys", AsiaCCS 2023, section 3). `X^a - 1` is multiplied point by point in the
//! Fourier domain. Accumulators of a batch take turns, so that every GGSW is read from memory once.

mod powers;
mod product;
mod work;

use cipherformer_circuit::parameters::Decomposition;
use cipherformer_circuit::{ParameterSet, Precision};
use rayon::prelude::*;
use tfhe::core_crypto::prelude::LweBootstrapKeyOwned;

use crate::convert;
use crate::fft::{GROUP, GROUP_REALS, Transform, centred};
use crate::ring::times_monomial;
use powers::Powers;
use work::{TOGETHER, Work};

/// GGSW ciphertexts of the small key's bits in the Fourier domain.
pub(crate) struct BootstrapKey {
    /// For every block, every level from the first to the last, every group of points: for each bit and column,
    /// that group of the level's k + 1 rows.
    values: Vec<f64>,
    powers: Powers,
    parameters: &'static ParameterSet,
}

/// An LWE ciphertext modulo 2N.
pub(crate) struct Exponent {
    pub(crate) mask: Vec<usize>,
    pub(crate) body: usize,
}

/// Mask polynomials and body of a ciphertext in the blind rotation's ring.
pub(crate) type Accumulator = Vec<u64>;

impl BootstrapKey {
    /// Transforms the library's key, on all cores.
    pub(crate) fn new(key: &LweBootstrapKeyOwned<u64>, parameters: &'static ParameterSet) -> Self {
        let size = convert::bootstrap_size(parameters);
        let polynomials = parameters.bootstrap_glwe_dimension + 1;
        let (bits, levels) = (parameters.lwe_block, parameters.bootstrap.levels as usize);
        let level = polynomials * polynomials * size.0;
        let mut values = vec![0.0; key.as_ref().len()];
        let blocks = key.as_ref().par_chunks(bits * levels * level);
        let out = values.par_chunks_mut(bits * levels * level);
        blocks.zip(out).for_each_init(
            || Transform::new(size),
            |transform, (block, out)| {
                for (bit, ggsw) in block.chunks(levels * level).enumerate() {
                    // The library begins with the last level.
                    let levels = ggsw.chunks(level).rev();
                    for (level, out) in levels.zip(out.chunks_mut(bits * level)) {
                        for (i, polynomial) in level.chunks(size.0).enumerate() {
                            let group = bit * polynomials * polynomials + i;
                            let step = bits * polynomials * polynomials;
                            let out = &mut out[group * GROUP_REALS..];
                            transform.forward(polynomial, out, step, centred);
                        }
                    }
                }
            },
        );
        Self {
            values,
            powers: Powers::new(size),
            parameters,
        }
    }

    /// Multiplies every accumulator by X^-phase, the phase of its exponent.
    ///
    /// Cost: a block of the small key takes `levels + 1` FFTs for every polynomial of an accumulator.
    pub(crate) fn rotate(
        &self,
        accumulators: &mut [Accumulator],
        exponents: &[Exponent],
        precision: Precision,
    ) {
        let size = self.parameters.bootstrap_polynomial_size;
        for (accumulator, exponent) in accumulators.iter_mut().zip(exponents) {
            for polynomial in accumulator.chunks_mut(size) {
                times_monomial(polynomial, 2 * size - exponent.body, size);
            }
        }
        let bits = self.parameters.lwe_block;
        let block = self.values.len() / (self.parameters.lwe_dimension / bits);
        let mut work = Work::new(self.parameters, precision);
        for (number, block) in self.values.chunks(block).enumerate() {
            let levels = self.levels(block, precision);
            let together = accumulators.chunks_mut(TOGETHER);
            for (accumulators, exponents) in together.zip(exponents.chunks(TOGETHER)) {
                let exponents = exponents.iter();
                let exponents = exponents.map(|exponent| &exponent.mask[number * bits..][..bits]);
                work.set_powers(&self.powers, exponents);
                work.add_block(&levels, accumulators);
            }
        }
    }

    /// The levels of a block that this precision uses.
    fn levels<'a>(&self, block: &'a [f64], precision: Precision) -> Vec<&'a [f64]> {
        let full = self.parameters.bootstrap;
        let Decomposition { base_log, levels } = self.parameters.lut_decomposition(precision);
        let level = block.len() / full.levels as usize;
        // The coarse decomposition's only level scales as this one of the full decomposition does.
        let first = (base_log / full.base_log - 1) as usize;
        let all = block.chunks(level).skip(first);
        all.take(levels as usize).collect()
    }
}

/// How many groups of points a polynomial of N coefficients has.
fn groups(size: usize) -> usize {
    size / 2 / GROUP
}
