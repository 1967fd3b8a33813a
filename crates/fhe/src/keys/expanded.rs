//! The evaluation key as the server uses it: masks expanded, in the Fourier domain where that pays.

use std::fmt;

use cipherformer_circuit::ParameterSet;

use crate::key_switch::KeySwitchKey;
use crate::keys::{SeededEvaluationKey, bootstrap};
use crate::ring::key_switch::{self, RingKeySwitchKey};
use crate::ring::{AutomorphismKeys, PublicKey};
use crate::rotation::BootstrapKey;

/// An evaluation key ready for use; two to five times the size of the seeded one.
pub struct EvaluationKey {
    pub(crate) parameters: &'static ParameterSet,
    pub(crate) bootstrap: BootstrapKey,
    pub(crate) key_switch: KeySwitchKey,
    pub(crate) automorphisms: AutomorphismKeys,
    pub(crate) relinearization: RingKeySwitchKey,
    pub(crate) public: PublicKey,
}

impl EvaluationKey {
    /// Expands a key whose dimensions were checked when it was read.
    ///
    /// # Panics
    /// If it was read for other parameters.
    pub fn expand(seeded: SeededEvaluationKey, parameters: &'static ParameterSet) -> Self {
        assert_eq!(seeded.parameter_set, parameters.name);
        let bootstrap = bootstrap::expand(seeded.bootstrap, parameters);
        Self {
            parameters,
            bootstrap: BootstrapKey::new(&bootstrap, parameters),
            key_switch: KeySwitchKey::expand(seeded.key_switch, parameters),
            automorphisms: AutomorphismKeys::expand(seeded.automorphisms, parameters),
            relinearization: key_switch::expand_rounded(seeded.relinearization, 1, parameters)
                .remove(0),
            public: PublicKey::expand(seeded.public, parameters),
        }
    }

    /// The parameters it was made for.
    pub fn parameters(&self) -> &'static ParameterSet {
        self.parameters
    }

    /// Bytes of memory it takes.
    pub fn memory_bytes(parameters: &ParameterSet) -> usize {
        let rows = (parameters.bootstrap_glwe_dimension + 1).pow(2);
        let levels = parameters.bootstrap.levels as usize;
        let bootstrap =
            parameters.lwe_dimension * levels * rows * parameters.bootstrap_polynomial_size;
        let key_switch = parameters.ring_dimension * parameters.key_switch.levels as usize;
        let ring = (parameters.ring_dimension.ilog2() as usize + 1)
            * parameters.ring_key_switch.levels as usize
            * 2
            * parameters.ring_dimension;
        let public = 2 * parameters.ring_dimension;
        8 * (bootstrap + ring + public) + 12 * key_switch
    }
}

impl fmt::Debug for EvaluationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvaluationKey")
            .field("parameters", &self.parameters.name)
            .finish_non_exhaustive()
    }
}
