//! The evaluation key as the server uses it: masks expanded, in the Fourier domain where that pays.

use std::fmt;

use cipherformer_circuit::{ParameterSet, Precision};
use tfhe::core_crypto::prelude::*;

use crate::convert;
use crate::key_switch::KeySwitchKey;
use crate::keys::SeededEvaluationKey;
use crate::ring::AutomorphismKeys;
use crate::ring::key_switch::{self, RingKeySwitchKey};

/// An evaluation key ready for use; three to six times the size of the seeded one.
pub struct EvaluationKey {
    pub(crate) parameters: &'static ParameterSet,
    bootstrap: FourierLweBootstrapKeyOwned,
    /// One level of it, for coarse LUTs; `None` where it has no more.
    coarse_bootstrap: Option<FourierLweBootstrapKeyOwned>,
    pub(crate) key_switch: KeySwitchKey,
    pub(crate) automorphisms: AutomorphismKeys,
    pub(crate) relinearization: RingKeySwitchKey,
}

impl EvaluationKey {
    /// Expands a key whose dimensions were checked for these parameters when it was read.
    pub fn expand(seeded: SeededEvaluationKey, parameters: &'static ParameterSet) -> Self {
        let bootstrap = seeded.bootstrap.expand(parameters);
        let several = parameters.coarse_bootstrap != parameters.bootstrap;
        Self {
            parameters,
            coarse_bootstrap: several.then(|| fourier(&coarse_level(&bootstrap, parameters))),
            bootstrap: fourier(&bootstrap),
            key_switch: KeySwitchKey::new(
                &seeded.key_switch.decompress_into_lwe_keyswitch_key(),
                parameters.key_switch,
            ),
            automorphisms: AutomorphismKeys::expand(seeded.automorphisms, parameters),
            relinearization: key_switch::expand(seeded.relinearization, parameters).remove(0),
        }
    }

    /// What blind rotations with outputs of this precision read.
    pub(crate) fn bootstrap(&self, precision: Precision) -> &FourierLweBootstrapKeyOwned {
        match (precision, &self.coarse_bootstrap) {
            (Precision::Coarse, Some(coarse)) => coarse,
            _ => &self.bootstrap,
        }
    }

    /// The parameters it was made for.
    pub fn parameters(&self) -> &'static ParameterSet {
        self.parameters
    }

    /// Bytes of memory it takes.
    pub fn memory_bytes(parameters: &ParameterSet) -> usize {
        let rows = (parameters.bootstrap_glwe_dimension + 1).pow(2);
        let levels = match parameters.bootstrap.levels as usize {
            1 => 1,
            levels => levels + 1, // the coarse one is there twice
        };
        let bootstrap =
            parameters.lwe_dimension * levels * rows * parameters.bootstrap_polynomial_size;
        let key_switch = parameters.ring_dimension
            * parameters.key_switch.levels as usize
            * (parameters.lwe_dimension + 1);
        let ring = (parameters.ring_dimension.ilog2() as usize + 1)
            * parameters.ring_key_switch.levels as usize
            * 2
            * parameters.ring_dimension;
        8 * (bootstrap + ring) + 4 * key_switch
    }
}

fn fourier(key: &LweBootstrapKeyOwned<u64>) -> FourierLweBootstrapKeyOwned {
    let mut fourier = FourierLweBootstrapKey::new(
        key.input_lwe_dimension(),
        key.glwe_size(),
        key.polynomial_size(),
        key.decomposition_base_log(),
        key.decomposition_level_count(),
    );
    par_convert_standard_lwe_bootstrap_key_to_fourier(key, &mut fourier);
    fourier
}

/// The level that coarse LUTs use, as a key of its own. The library stores levels from the last to the first.
fn coarse_level(
    key: &LweBootstrapKeyOwned<u64>,
    parameters: &ParameterSet,
) -> LweBootstrapKeyOwned<u64> {
    let (full, coarse) = (parameters.bootstrap, parameters.coarse_bootstrap);
    let place = (full.levels - coarse.base_log / full.base_log) as usize;
    let ciphertext = key.as_ref().len() / parameters.lwe_dimension;
    let level = ciphertext / full.levels as usize;
    let ciphertexts = key.as_ref().chunks(ciphertext);
    let chosen = ciphertexts.flat_map(|levels| &levels[place * level..(place + 1) * level]);
    LweBootstrapKey::from_container(
        chosen.copied().collect(),
        key.glwe_size(),
        key.polynomial_size(),
        convert::base(coarse),
        convert::levels(coarse),
        convert::modulus(),
    )
}

impl fmt::Debug for EvaluationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvaluationKey")
            .field("parameters", &self.parameters.name)
            .finish_non_exhaustive()
    }
}
