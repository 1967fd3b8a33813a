//! Requests and responses: an encrypted bag, encrypted scores.

use cipherformer_circuit::{Bag, Manifest, ParameterSet};
use serde::{Deserialize, Serialize};
use tfhe::conformance::ParameterSetConformant;
use tfhe::core_crypto::commons::math::random::CompressionSeed;
use tfhe::core_crypto::prelude::compressed_modulus_switched_glwe_ciphertext::CompressedModulusSwitchedGlweCiphertext;
use tfhe::core_crypto::prelude::*;
use tfhe_versionable::{Versionize, VersionsDispatch};
use zeroize::Zeroizing;

use crate::Packed;
use crate::convert::{self, from_torus, round_to_32_bits, to_torus};
use crate::error::FheError;
use crate::keys::SecretKey;
use crate::wire;

const BAG: &str = "encrypted input";
const SCORES: &str = "encrypted output";

/// A bag of features, encrypted by the client: a request. Its size depends on the vocabulary alone.
///
/// Masks are expanded from a seed; of every body coefficient the upper 32 bits travel. What that
/// rounds off is far below the noise of the first LUT, and halves the request.
#[derive(Clone, Serialize, Deserialize, Versionize)]
#[versionize(EncryptedBagVersions)]
pub struct EncryptedBag {
    parameter_set: String,
    seed: CompressionSeed,
    bodies: Vec<u32>,
}

#[derive(VersionsDispatch)]
#[allow(dead_code, missing_docs, unreachable_pub)] // read through the derive
pub enum EncryptedBagVersions {
    V0(EncryptedBag),
}

impl tfhe::named::Named for EncryptedBag {
    const NAME: &'static str = "cipherformer::EncryptedBag";
}

impl EncryptedBag {
    /// Encrypts a bag for a circuit.
    ///
    /// # Errors
    /// A key of another parameter set, or features the circuit does not have.
    pub fn encrypt(bag: &Bag, manifest: &Manifest, key: &SecretKey) -> Result<Self, FheError> {
        let parameters = key.parameters();
        wire::same_set("secret key", parameters, &manifest.parameter_set)?;
        let dimension = parameters.ring_dimension;
        let blocks = manifest.input.entries.div_ceil(dimension);
        let mut plaintext = Zeroizing::new(vec![0u64; blocks * dimension]);
        let weight = to_torus(manifest.input.scale * bag.weight());
        for &feature in bag.features() {
            if feature >= manifest.input.entries {
                return Err(FheError::Shape {
                    operation: "encrypt",
                    expected: format!("features below {}", manifest.input.entries),
                    got: feature.to_string(),
                });
            }
            // X^-i is 1 for i = 0 and -X^(N - i) else.
            let (block, i) = (feature / dimension * dimension, feature % dimension);
            if i == 0 {
                plaintext[block] = weight;
            } else {
                plaintext[block + dimension - i] = weight.wrapping_neg();
            }
        }
        let ciphertexts = key.encrypt_seeded(&plaintext);
        Ok(Self {
            parameter_set: parameters.name.to_owned(),
            seed: ciphertexts.compression_seed(),
            bodies: ciphertexts
                .as_ref()
                .iter()
                .map(|&x| round_to_32_bits(x))
                .collect(),
        })
    }

    /// The bytes to send, checksum first.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads what a client sent and checks it against what the circuit takes.
    ///
    /// # Errors
    /// Too large, damaged, malformed, or not of this circuit's size and parameter set.
    pub fn from_bytes(
        bytes: &[u8],
        entries: usize,
        parameters: &ParameterSet,
    ) -> Result<Self, FheError> {
        let limit = wire::size_limit(parameters.request_bytes(entries));
        let bag: Self = wire::decode(BAG, bytes, limit)?;
        wire::same_set(BAG, parameters, &bag.parameter_set)?;
        let fits = bag.bodies.len() == entries.next_multiple_of(parameters.ring_dimension);
        if !fits || !wire::from_the_beginning(&bag.seed) {
            return Err(FheError::Malformed {
                what: BAG,
                reason: format!(
                    "it does not hold {entries} entries under {}",
                    parameters.name
                ),
            });
        }
        Ok(bag)
    }

    /// The name of the parameter set it was encrypted under.
    pub(crate) fn parameter_set(&self) -> &str {
        &self.parameter_set
    }

    /// The ciphertexts with their masks expanded.
    ///
    /// # Panics
    /// On parameters of another ring dimension than its own.
    pub fn expand(&self, parameters: &ParameterSet) -> Vec<Packed> {
        let bodies: Vec<u64> = self.bodies.iter().map(|&x| u64::from(x) << 32).collect();
        SeededGlweCiphertextList::from_container(
            bodies,
            convert::RING_GLWE_SIZE,
            convert::ring_size(parameters),
            self.seed.clone(),
            convert::modulus(),
        )
        .decompress_into_glwe_ciphertext_list()
        .iter()
        .map(|ciphertext| {
            let size = ciphertext.polynomial_size();
            Packed::from_container(ciphertext.as_ref().to_vec(), size, convert::modulus())
        })
        .collect()
    }
}

/// One score per label, packed in one ring ciphertext and rounded: a response.
#[derive(Clone, Serialize, Deserialize, Versionize)]
#[versionize(EncryptedScoresVersions)]
pub struct EncryptedScores {
    parameter_set: String,
    ciphertext: CompressedModulusSwitchedGlweCiphertext<u64>,
}

#[derive(VersionsDispatch)]
#[allow(dead_code, missing_docs, unreachable_pub)] // read through the derive
pub enum EncryptedScoresVersions {
    V0(EncryptedScores),
}

impl tfhe::named::Named for EncryptedScores {
    const NAME: &'static str = "cipherformer::EncryptedScores";
}

impl EncryptedScores {
    /// Rounds a packed ciphertext whose values stand `N / count'` coefficients apart, count' the power
    /// of two at or above `count`. Only the bodies of the values are kept.
    ///
    /// # Panics
    /// If `count` is more than N, or the ciphertext of another dimension.
    pub fn compress(mut packed: Packed, count: usize, parameters: &ParameterSet) -> Self {
        assert!(count <= parameters.ring_dimension);
        assert_eq!(packed.polynomial_size(), convert::ring_size(parameters));
        let stride = stride(parameters, count);
        let mut body = packed.get_mut_body();
        let body = body.as_mut();
        for i in 0..count {
            body[i] = body[i * stride];
        }
        let log_modulus = CiphertextModulusLog(parameters.response_modulus_log as usize);
        Self {
            parameter_set: parameters.name.to_owned(),
            ciphertext: CompressedModulusSwitchedGlweCiphertext::compress(
                &packed,
                log_modulus,
                LweCiphertextCount(count),
            ),
        }
    }

    /// The bytes to send, checksum first.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads what a server sent and checks it against what the client expects.
    ///
    /// # Errors
    /// Too large, damaged, malformed, or not `count` values under this parameter set.
    pub fn from_bytes(
        bytes: &[u8],
        count: usize,
        parameters: &ParameterSet,
    ) -> Result<Self, FheError> {
        let limit = wire::size_limit(parameters.response_bytes(count));
        let scores: Self = wire::decode(SCORES, bytes, limit)?;
        wire::same_set(SCORES, parameters, &scores.parameter_set)?;
        let params = GlweCiphertextConformanceParams {
            glwe_dim: convert::RING_GLWE_SIZE.to_glwe_dimension(),
            polynomial_size: convert::ring_size(parameters),
            ct_modulus: convert::modulus(),
        };
        let ciphertext = &scores.ciphertext;
        let log_modulus = ciphertext.packed_integers().log_modulus().0;
        if !ciphertext.is_conformant(&params)
            || ciphertext.bodies_count().0 != count
            || log_modulus != parameters.response_modulus_log as usize
        {
            return Err(FheError::Malformed {
                what: SCORES,
                reason: format!("it does not hold {count} values under {}", parameters.name),
            });
        }
        Ok(scores)
    }

    /// Decrypts to torus values in [-1/2, 1/2), noise included.
    ///
    /// # Errors
    /// A key of another parameter set.
    pub fn decrypt(&self, key: &SecretKey) -> Result<Vec<f64>, FheError> {
        let parameters = key.parameters();
        wire::same_set("secret key", parameters, &self.parameter_set)?;
        let count = self.ciphertext.bodies_count().0;
        let stride = stride(parameters, count);
        let mut packed = self.ciphertext.extract();
        let mut body = packed.get_mut_body();
        let body = body.as_mut();
        for i in (1..count).rev() {
            body.swap(i, i * stride);
        }
        let plaintext = key.decrypt_packed(&packed);
        let values = plaintext.into_iter().step_by(stride).take(count);
        Ok(values.map(from_torus).collect())
    }
}

/// How far apart packed values stand.
pub(crate) fn stride(parameters: &ParameterSet, count: usize) -> usize {
    parameters.ring_dimension / count.next_power_of_two()
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::parameters::INSECURE_TOY;

    use super::*;

    #[test]
    fn masks_must_begin_where_ours_do() {
        let key = SecretKey::generate(&INSECURE_TOY);
        let entries = INSECURE_TOY.ring_dimension;
        let ciphertexts = key.encrypt_seeded(&vec![0; entries]);
        let mut bag = EncryptedBag {
            parameter_set: INSECURE_TOY.name.to_owned(),
            seed: ciphertexts.compression_seed(),
            bodies: vec![0; entries],
        };
        let read = |bag: &EncryptedBag| {
            EncryptedBag::from_bytes(&bag.to_bytes(), entries, &INSECURE_TOY).map(|_| ())
        };
        assert_eq!(read(&bag), Ok(()));
        bag.seed.inner.first_index.increment();
        assert!(matches!(read(&bag), Err(FheError::Malformed { .. })));
    }
}
