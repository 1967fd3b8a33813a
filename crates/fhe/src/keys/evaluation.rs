//! The evaluation key as the client sends it: seeded, so that only bodies travel, the longest rounded.

use cipherformer_circuit::ParameterSet;
use serde::{Deserialize, Serialize};
use tfhe::core_crypto::prelude::*;
use tfhe_versionable::{Versionize, VersionsDispatch};

use crate::error::FheError;
use crate::key_switch as lwe_key_switch;
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
    pub(super) key_switch: SeededGlweCiphertextListOwned<u32>,
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
        let key_switch = lwe_key_switch::generate(secret, seeder);
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
        self.bootstrap.fits(parameters)
            && lwe_key_switch::fits(&self.key_switch, parameters)
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
    use tfhe::core_crypto::commons::math::random::CompressionSeed;

    use super::*;

    /// Every check of `fits` is the only one that refuses one of these.
    #[test]
    fn keys_with_a_part_of_another_shape_or_seed_are_refused() {
        let secret = SecretKey::generate(&INSECURE_PRECISE);
        let bytes = SeededEvaluationKey::generate(&secret, |_| ()).to_bytes();
        let from_bytes = |bytes: &[u8]| SeededEvaluationKey::from_bytes(bytes, &INSECURE_PRECISE);
        let key = from_bytes(&bytes).expect("just made");
        let refused = |what: &str, change: &dyn Fn(&mut SeededEvaluationKey)| {
            let mut changed = from_bytes(&bytes).expect("just made");
            change(&mut changed);
            let error = from_bytes(&changed.to_bytes()).err();
            assert!(
                matches!(error, Some(FheError::Malformed { .. })),
                "{what}: {error:?}"
            );
        };
        refused("few bodies", &|key| key.bootstrap.bodies.truncate(1));
        refused("no bodies", &|key| key.bootstrap.bodies.clear());
        refused("many bodies", &|key| key.bootstrap.bodies.push(0));
        refused("bodies' seed", &|key| {
            key.bootstrap.seed = later(&key.bootstrap.seed);
        });
        for (what, changed) in changed_lists(&key.key_switch) {
            refused(what, &|key| key.key_switch = changed.clone());
        }
        for (what, changed) in changed_lists(&key.automorphisms) {
            refused(what, &|key| key.automorphisms = changed.clone());
        }
        for (what, changed) in changed_lists(&key.relinearization) {
            refused(what, &|key| key.relinearization = changed.clone());
        }
    }

    fn later(seed: &CompressionSeed) -> CompressionSeed {
        let mut later = seed.clone();
        later.inner.first_index.increment();
        later
    }

    /// Shorter, never longer: the limit on bytes refuses what has more numbers.
    fn changed_lists<T: UnsignedInteger>(
        list: &SeededGlweCiphertextListOwned<T>,
    ) -> [(&'static str, SeededGlweCiphertextListOwned<T>); 5] {
        let (glwe, size) = (list.glwe_size(), list.polynomial_size());
        let (seed, modulus) = (list.compression_seed(), list.ciphertext_modulus());
        let (all, shorter) = (list.as_ref(), &list.as_ref()[size.0..]);
        let (glwe_1, half) = (GlweSize(glwe.0 + 1), PolynomialSize(size.0 / 2));
        let other = CiphertextModulus::new(1 << 30);
        let new = |numbers: &[T], glwe, size, seed: &CompressionSeed, modulus| {
            let (numbers, seed) = (numbers.to_vec(), seed.clone());
            SeededGlweCiphertextList::from_container(numbers, glwe, size, seed, modulus)
        };
        [
            ("length", new(shorter, glwe, size, &seed, modulus)),
            ("GLWE size", new(all, glwe_1, size, &seed, modulus)),
            ("polynomial size", new(all, glwe, half, &seed, modulus)),
            ("seed", new(all, glwe, size, &later(&seed), modulus)),
            ("modulus", new(all, glwe, size, &seed, other)),
        ]
    }
}
