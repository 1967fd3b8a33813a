//! The evaluation key as the client sends it: seeded, so that only bodies travel, the longest rounded.

use cipherformer_circuit::ParameterSet;
use serde::{Deserialize, Serialize};
use tfhe::conformance::ParameterSetConformant;
use tfhe::core_crypto::prelude::*;
use tfhe_versionable::{Versionize, VersionsDispatch};

use crate::convert;
use crate::error::FheError;
use crate::keys::SecretKey;
use crate::keys::bootstrap::SeededBootstrapKey;
use crate::ring::{automorphism, key_switch, product};
use crate::wire;

const WHAT: &str = "evaluation key";

/// All that a server needs to compute for one client. It opens no ciphertext.
///
/// Contents: bootstrapping key (n GGSW under the ring key), LWE key-switching key (ring key to small
/// key), automorphism keys for packing, relinearization key for products. Size: [`ParameterSet::evaluation_key_bytes`].
#[derive(Serialize, Deserialize, Versionize)]
#[versionize(SeededEvaluationKeyVersions)]
pub struct SeededEvaluationKey {
    pub(super) parameter_set: String,
    pub(super) bootstrap: SeededBootstrapKey,
    pub(super) key_switch: SeededLweKeyswitchKeyOwned<u64>,
    pub(super) automorphisms: SeededGlweCiphertextListOwned<u64>,
    pub(super) relinearization: SeededGlweCiphertextListOwned<u64>,
}

#[derive(VersionsDispatch)]
#[allow(dead_code, missing_docs, unreachable_pub)] // read through the derive
pub enum SeededEvaluationKeyVersions {
    V0(SeededEvaluationKey),
}

impl tfhe::named::Named for SeededEvaluationKey {
    const NAME: &'static str = "cipherformer::EvaluationKey";
}

impl SeededEvaluationKey {
    /// Makes the evaluation key of a secret key, on all cores. Calls `step` with the name of each
    /// part before it is made.
    pub fn generate(secret: &SecretKey, mut step: impl FnMut(&'static str)) -> Self {
        let parameters = secret.parameters();
        let mut seeder = new_seeder();
        let seeder = seeder.as_mut();
        step("bootstrapping key");
        let bootstrap = SeededBootstrapKey::generate(secret, seeder);
        step("key-switching key");
        let key_switch = allocate_and_generate_new_seeded_lwe_keyswitch_key(
            &secret.scalar(),
            &secret.lwe(),
            convert::base(parameters.key_switch),
            convert::levels(parameters.key_switch),
            convert::noise(parameters.lwe_noise),
            convert::modulus(),
            seeder,
        );
        step("packing keys");
        let automorphisms = automorphism::generate(secret);
        step("product key");
        let relinearization = product::generate(secret);
        Self {
            parameter_set: parameters.name.to_owned(),
            bootstrap,
            key_switch,
            automorphisms,
            relinearization,
        }
    }

    /// The bytes to send, checksum first.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads what a client sent and checks every dimension against the parameter set.
    ///
    /// # Errors
    /// Too large, damaged, malformed, or of another parameter set.
    pub fn from_bytes(bytes: &[u8], parameters: &'static ParameterSet) -> Result<Self, FheError> {
        let limit = wire::size_limit(parameters.evaluation_key_bytes());
        let key: Self = wire::decode(WHAT, bytes, limit)?;
        wire::same_set(WHAT, parameters, &key.parameter_set)?;
        if !key.fits(parameters) {
            return Err(FheError::Malformed {
                what: WHAT,
                reason: format!("its dimensions are not those of {}", parameters.name),
            });
        }
        Ok(key)
    }

    fn fits(&self, parameters: &ParameterSet) -> bool {
        let key_switch = LweKeyswitchKeyConformanceParams {
            decomp_base_log: convert::base(parameters.key_switch),
            decomp_level_count: convert::levels(parameters.key_switch),
            output_lwe_size: LweDimension(parameters.lwe_dimension).to_lwe_size(),
            input_lwe_dimension: LweDimension(parameters.ring_dimension),
            ciphertext_modulus: convert::modulus(),
        };
        let seeds = [
            self.key_switch.compression_seed(),
            self.automorphisms.compression_seed(),
            self.relinearization.compression_seed(),
        ];
        seeds.iter().all(wire::from_the_beginning)
            && self.bootstrap.fits(parameters)
            && self.key_switch.is_conformant(&key_switch)
            && key_switch::fits(
                &self.automorphisms,
                automorphism::count(parameters),
                parameters,
            )
            && key_switch::fits(&self.relinearization, 1, parameters)
    }
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::parameters::INSECURE_PRECISE;

    use super::*;

    #[test]
    fn bootstrapping_keys_of_another_length_or_seed_are_refused() {
        let secret = SecretKey::generate(&INSECURE_PRECISE);
        let read = |change: &dyn Fn(&mut SeededBootstrapKey)| {
            let mut key = SeededEvaluationKey::generate(&secret, |_| ());
            change(&mut key.bootstrap);
            SeededEvaluationKey::from_bytes(&key.to_bytes(), &INSECURE_PRECISE).map(|_| ())
        };
        assert_eq!(read(&|_| ()), Ok(()));
        let refused = |result| matches!(result, Err(FheError::Malformed { .. }));
        assert!(refused(read(&|key| key.bodies.truncate(1))));
        assert!(refused(read(&|key| key.bodies.clear())));
        assert!(refused(read(&|key| key.bodies.push(0))));
        assert!(refused(read(&|key| key.seed.inner.first_index.increment())));
    }
}
