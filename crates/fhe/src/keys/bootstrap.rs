//! The bootstrapping key as it travels: n GGSW ciphertexts of the small key's bits under the ring key.

use cipherformer_circuit::ParameterSet;
use tfhe::core_crypto::prelude::*;

use super::bodies::SeededBodies;
use crate::convert;
use crate::keys::SecretKey;

/// Makes the bootstrapping key of a secret key, on all cores. Of every body `key_body_bits` travel.
pub(super) fn generate(secret: &SecretKey, seeder: &mut dyn Seeder) -> SeededBodies {
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
    SeededBodies::new(
        key.compression_seed(),
        key.as_ref(),
        parameters.key_body_bits,
    )
}

/// Whether a key from outside has the seed and the length that [`generate`] gives it.
pub(super) fn fits(key: &SeededBodies, parameters: &ParameterSet) -> bool {
    key.fits(parameters.bootstrap_key_bodies(), parameters.key_body_bits)
}

/// The library's key, masks expanded.
pub(super) fn expand(key: SeededBodies, parameters: &ParameterSet) -> LweBootstrapKeyOwned<u64> {
    let (seed, bodies) = key.expand(parameters.bootstrap_key_bodies(), parameters.key_body_bits);
    SeededLweBootstrapKey::from_container(
        bodies,
        convert::bootstrap_glwe_size(parameters),
        convert::bootstrap_size(parameters),
        convert::base(parameters.bootstrap),
        convert::levels(parameters.bootstrap),
        seed,
        convert::modulus(),
    )
    .decompress_into_lwe_bootstrap_key()
}
