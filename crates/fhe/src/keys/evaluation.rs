//! The evaluation key as the client sends it: seeded, so that only bodies travel, rounded.

use cipherformer_circuit::ParameterSet;
use serde::{Deserialize, Serialize};
use tfhe::core_crypto::prelude::*;
use tfhe_versionable::{Versionize, VersionsDispatch};

use crate::error::FheError;
use crate::key_switch as lwe_key_switch;
use crate::keys::SecretKey;
use crate::keys::bodies::SeededBodies;
use crate::keys::bootstrap;
use crate::ring::{automorphism, key_switch, product, rerandomize};
use crate::wire;

const WHAT: &str = "evaluation key";

/// All that a server needs to compute for one client. It opens no ciphertext.
///
/// Contents: bootstrapping key (n GGSW under the ring key), LWE key-switching key (ring key to small
/// key), automorphism keys for packing, relinearization key for products, public key for rerandomization. Size: [`ParameterSet::evaluation_key_bytes`].
#[derive(Serialize, Deserialize, Versionize)]
#[versionize(SeededEvaluationKeyVersions)]
pub struct SeededEvaluationKey {
    pub(super) parameter_set: String,
    pub(super) bootstrap: SeededBodies,
    pub(super) key_switch: SeededBodies,
    pub(super) automorphisms: SeededBodies,
    pub(super) relinearization: SeededBodies,
    pub(super) public: SeededBodies,
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
        let bootstrap = bootstrap::generate(secret, seeder);
        step("key-switching key");
        let key_switch = lwe_key_switch::generate(secret, seeder);
        step("packing keys");
        let automorphisms = automorphism::generate(secret);
        step("product key");
        let relinearization = product::generate(secret);
        step("public key");
        let public = rerandomize::generate(secret);
        Self {
            parameter_set: parameters.name.to_owned(),
            bootstrap,
            key_switch,
            automorphisms,
            relinearization,
            public,
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
        bootstrap::fits(&self.bootstrap, parameters)
            && lwe_key_switch::fits(&self.key_switch, parameters)
            && key_switch::fits(
                &self.automorphisms,
                automorphism::count(parameters),
                parameters,
            )
            && key_switch::fits(&self.relinearization, 1, parameters)
            && rerandomize::fits(&self.public, parameters)
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
        let refused = |what: &str, change: &dyn Fn(&mut SeededEvaluationKey)| {
            let mut changed = from_bytes(&bytes).expect("just made");
            change(&mut changed);
            let error = from_bytes(&changed.to_bytes()).err();
            assert!(
                matches!(error, Some(FheError::Malformed { .. })),
                "{what}: {error:?}"
            );
        };
        type Part = fn(&mut SeededEvaluationKey) -> &mut SeededBodies;
        let parts: [(&str, Part); 5] = [
            ("bootstrapping key", |key| &mut key.bootstrap),
            ("key-switching key", |key| &mut key.key_switch),
            ("packing keys", |key| &mut key.automorphisms),
            ("product key", |key| &mut key.relinearization),
            ("public key", |key| &mut key.public),
        ];
        for (what, part) in parts {
            refused(what, &|key| part(key).bodies.truncate(1));
            refused(what, &|key| part(key).bodies.clear());
            refused(what, &|key| part(key).bodies.push(0));
            refused(what, &|key| part(key).seed = later(&part(key).seed));
        }
    }

    fn later(seed: &CompressionSeed) -> CompressionSeed {
        let mut later = seed.clone();
        later.inner.first_index.increment();
        later
    }
}
