//! The bootstrapping key as it travels: one seed for all masks, and the bodies, rounded.

use cipherformer_circuit::ParameterSet;
use serde::{Deserialize, Serialize};
use tfhe::core_crypto::commons::math::random::CompressionSeed;
use tfhe::core_crypto::prelude::*;
use tfhe_versionable::{Versionize, VersionsDispatch};

use crate::bits::{pack_bits, packed_words, unpack_bits};
use crate::convert;
use crate::keys::SecretKey;
use crate::wire;

/// n GGSW ciphertexts of the small key's bits under the ring key.
///
/// Of every body coefficient the upper `key_body_bits` travel. What that rounds off is noise like the
/// key's own (`key_body_variance`); rounding what is public anyway takes nothing from security.
#[derive(Serialize, Deserialize, Versionize)]
#[versionize(SeededBootstrapKeyVersions)]
pub(super) struct SeededBootstrapKey {
    pub(super) seed: CompressionSeed,
    pub(super) bodies: Vec<u64>,
}

#[derive(VersionsDispatch)]
#[allow(dead_code, unreachable_pub)] // read through the derive
pub(super) enum SeededBootstrapKeyVersions {
    V0(SeededBootstrapKey),
}

impl SeededBootstrapKey {
    /// Makes the bootstrapping key of a secret key, on all cores.
    pub(super) fn generate(secret: &SecretKey, seeder: &mut dyn Seeder) -> Self {
        let parameters = secret.parameters();
        let bits = secret.bootstrap();
        let key = par_allocate_and_generate_new_seeded_lwe_bootstrap_key(
            &secret.lwe(),
            &GlweSecretKey::from_container(bits.as_slice(), convert::bootstrap_size(parameters)),
            convert::base(parameters.bootstrap),
            convert::levels(parameters.bootstrap),
            convert::noise(parameters.ring_noise),
            convert::modulus(),
            seeder,
        );
        Self {
            seed: key.compression_seed(),
            bodies: pack_bits(key.as_ref(), parameters.key_body_bits),
        }
    }

    /// Whether one from outside has the seed and the length that [`Self::generate`] gives it.
    pub(super) fn fits(&self, parameters: &ParameterSet) -> bool {
        let words = packed_words(parameters.bootstrap_key_bodies(), parameters.key_body_bits);
        wire::from_the_beginning(&self.seed) && self.bodies.len() == words
    }

    /// The library's key, masks expanded. Its length was checked when it was read.
    pub(super) fn expand(self, parameters: &ParameterSet) -> LweBootstrapKeyOwned<u64> {
        let bodies = unpack_bits(
            &self.bodies,
            parameters.bootstrap_key_bodies(),
            parameters.key_body_bits,
        );
        drop(self.bodies); // before the masks need four times as much
        SeededLweBootstrapKey::from_container(
            bodies,
            convert::bootstrap_glwe_size(parameters),
            convert::bootstrap_size(parameters),
            convert::base(parameters.bootstrap),
            convert::levels(parameters.bootstrap),
            self.seed,
            convert::modulus(),
        )
        .decompress_into_lwe_bootstrap_key()
    }
}
