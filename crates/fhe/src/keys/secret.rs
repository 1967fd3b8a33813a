//! The client's secret key. Nothing but the client crate may hold one.

use std::fmt;

use cipherformer_circuit::ParameterSet;
use serde::{Deserialize, Serialize};
use tfhe::core_crypto::prelude::*;
use tfhe_versionable::{Versionize, VersionsDispatch};
use zeroize::{Zeroize, Zeroizing};

use crate::convert;
use crate::error::FheError;
use crate::interleave;
use crate::wire;
use crate::{Packed, Scalars};

const WHAT: &str = "secret key";

/// The type name that every stored secret key carries, and nothing else.
pub const SECRET_KEY_NAME: &str = "cipherformer::SecretKey";

/// Whether the bytes are a secret key: for whoever has to show that none is there, without holding one.
pub fn is_secret_key(bytes: &[u8]) -> bool {
    SecretKey::from_bytes(bytes).is_ok()
}

/// The ring key and the small LWE key, binary; overwritten with zeros when dropped.
pub struct SecretKey {
    parameters: &'static ParameterSet,
    ring: Zeroizing<Vec<u64>>,
    lwe: Zeroizing<Vec<u64>>,
}

/// The stored form: one byte a bit.
#[derive(Serialize, Deserialize, Versionize)]
#[versionize(StoredSecretKeyVersions)]
struct StoredSecretKey {
    parameter_set: String,
    ring: Vec<u8>,
    lwe: Vec<u8>,
}

#[derive(VersionsDispatch)]
#[allow(dead_code)] // read through the derive
enum StoredSecretKeyVersions {
    V0(StoredSecretKey),
}

impl tfhe::named::Named for StoredSecretKey {
    const NAME: &'static str = SECRET_KEY_NAME;
}

impl Zeroize for StoredSecretKey {
    fn zeroize(&mut self) {
        self.ring.zeroize();
        self.lwe.zeroize();
    }
}

impl SecretKey {
    /// Draws both keys from the system's entropy.
    pub fn generate(parameters: &'static ParameterSet) -> Self {
        let mut seeder = new_seeder();
        let mut generator =
            SecretRandomGenerator::<DefaultRandomGenerator>::new(seeder.as_mut().seed());
        let mut draw = |dimension: usize| {
            let key = allocate_and_generate_new_binary_lwe_secret_key::<u64, _>(
                LweDimension(dimension),
                &mut generator,
            );
            Zeroizing::new(key.into_container())
        };
        Self {
            parameters,
            ring: draw(parameters.ring_dimension),
            lwe: blocks(parameters, draw),
        }
    }

    /// The parameters it was made for.
    pub fn parameters(&self) -> &'static ParameterSet {
        self.parameters
    }

    /// Its stored form, checksum first. To be written to a file that only its owner can read.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let bits = |key: &[u64]| key.iter().map(|&bit| bit as u8).collect();
        let stored = Zeroizing::new(StoredSecretKey {
            parameter_set: self.parameters.name.to_owned(),
            ring: bits(&self.ring),
            lwe: bits(&self.lwe),
        });
        Zeroizing::new(wire::encode(&*stored))
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// Damaged or malformed bytes, or an unknown parameter set. No error says anything of the bits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FheError> {
        let stored = wire::decode::<StoredSecretKey>(WHAT, bytes, wire::SECRET_KEY_LIMIT)?;
        let stored = Zeroizing::new(stored);
        let parameters = convert::parameter_set(WHAT, &stored.parameter_set)?;
        let read = |bits: &[u8], dimension: usize| {
            if bits.len() != dimension || bits.iter().any(|&bit| bit > 1) {
                return Err(misfit());
            }
            Ok(Zeroizing::new(
                bits.iter().map(|&bit| u64::from(bit)).collect::<Vec<_>>(),
            ))
        };
        let lwe = read(&stored.lwe, parameters.lwe_dimension)?;
        let mut blocks = lwe.chunks(parameters.lwe_block);
        if !blocks.all(|block| block.iter().sum::<u64>() <= 1) {
            return Err(misfit());
        }
        Ok(Self {
            parameters,
            ring: read(&stored.ring, parameters.ring_dimension)?,
            lwe,
        })
    }

    /// Encrypts torus values, N a ring ciphertext, as bodies and the seed of the masks.
    ///
    /// The noise is `fresh_variance`. `plaintext` is a multiple of N long.
    pub(crate) fn encrypt_seeded(&self, plaintext: &[u64]) -> SeededGlweCiphertextListOwned<u64> {
        let mut seeder = new_seeder();
        let mut list = SeededGlweCiphertextList::new(
            0,
            convert::RING_GLWE_SIZE,
            convert::ring_size(self.parameters),
            GlweCiphertextCount(plaintext.len() / self.parameters.ring_dimension),
            seeder.as_mut().seed().into(),
            convert::modulus(),
        );
        encrypt_seeded_glwe_ciphertext_list(
            &self.ring(),
            &mut list,
            &PlaintextList::from_container(plaintext),
            convert::noise(self.parameters.ring_noise),
            seeder.as_mut(),
        );
        list
    }

    /// Encrypts torus values, one LWE ciphertext each. The noise is `fresh_variance`.
    pub fn encrypt_scalars(&self, torus: &[u64]) -> Scalars {
        let mut seeder = new_seeder();
        let mut generator = EncryptionRandomGenerator::<DefaultRandomGenerator>::new(
            seeder.as_mut().seed(),
            seeder.as_mut(),
        );
        let mut scalars = LweCiphertextList::new(
            0,
            convert::scalar_size(self.parameters),
            LweCiphertextCount(torus.len()),
            convert::modulus(),
        );
        if torus.is_empty() {
            return scalars; // the library panics on empty lists
        }
        encrypt_lwe_ciphertext_list(
            &self.scalar(),
            &mut scalars,
            &PlaintextList::from_container(torus),
            convert::noise(self.parameters.ring_noise),
            &mut generator,
        );
        scalars
    }

    /// Encrypts torus values in one ring ciphertext, at coefficients 0 and up. The noise is `fresh_variance`.
    ///
    /// # Panics
    /// If there are more than N.
    pub fn encrypt_packed(&self, torus: &[u64]) -> Packed {
        assert!(torus.len() <= self.parameters.ring_dimension, "too many");
        let mut plaintext = Zeroizing::new(vec![0; self.parameters.ring_dimension]);
        plaintext[..torus.len()].copy_from_slice(torus);
        let list = self.encrypt_seeded(&plaintext);
        let list = list.decompress_into_glwe_ciphertext_list();
        Packed::from_container(
            list.into_container(),
            convert::ring_size(self.parameters),
            convert::modulus(),
        )
    }

    /// Decrypts scalars to torus values, noise included.
    pub fn decrypt_scalars(&self, scalars: &Scalars) -> Vec<u64> {
        let decrypt = |value| decrypt_lwe_ciphertext(&self.scalar(), &value).0;
        scalars.iter().map(decrypt).collect()
    }

    /// Decrypts all N coefficients of a ring ciphertext to torus values, noise included.
    pub fn decrypt_packed(&self, packed: &Packed) -> Vec<u64> {
        let mut plaintext = PlaintextList::new(0, PlaintextCount(self.parameters.ring_dimension));
        decrypt_glwe_ciphertext(&self.ring(), packed, &mut plaintext);
        plaintext.into_container()
    }

    /// The ring key as one polynomial: the key of packed ciphertexts.
    pub(crate) fn ring(&self) -> GlweSecretKey<&[u64]> {
        GlweSecretKey::from_container(&self.ring, convert::ring_size(self.parameters))
    }

    /// The same bits as the k polynomials of the blind rotation's ring, split as
    /// [`interleave`](crate::interleave) says.
    pub(crate) fn bootstrap(&self) -> Zeroizing<Vec<u64>> {
        let mut bits = Zeroizing::new(vec![0; self.ring.len()]);
        interleave::split(
            &self.ring,
            self.parameters.bootstrap_glwe_dimension,
            &mut bits,
        );
        bits
    }

    /// The same bits as an LWE key: the key of scalars.
    pub(crate) fn scalar(&self) -> LweSecretKey<&[u64]> {
        LweSecretKey::from_container(&self.ring)
    }

    /// The small LWE key.
    pub(crate) fn lwe(&self) -> LweSecretKey<&[u64]> {
        LweSecretKey::from_container(&self.lwe)
    }
}

/// Draws the small key: blocks with at most one 1, all of them equally likely. `draw` gives uniform bits.
fn blocks(
    parameters: &ParameterSet,
    mut draw: impl FnMut(usize) -> Zeroizing<Vec<u64>>,
) -> Zeroizing<Vec<u64>> {
    let block = parameters.lwe_block;
    let mut key = Zeroizing::new(vec![0; parameters.lwe_dimension]);
    // A number below the next power of two is drawn until it is at most L; L stands for a block of zeros.
    let bits = (block + 1).next_power_of_two().ilog2() as usize;
    for place in key.chunks_mut(block) {
        let number = loop {
            let drawn = draw(bits);
            let number = drawn
                .iter()
                .fold(0, |number, bit| 2 * number + *bit as usize);
            if number <= block {
                break number;
            }
        };
        for (i, bit) in place.iter_mut().enumerate() {
            *bit = u64::from(i == number);
        }
    }
    key
}

fn misfit() -> FheError {
    FheError::Malformed {
        what: WHAT,
        reason: "its content does not fit its parameter set".to_owned(),
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey")
            .field("parameters", &self.parameters.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::parameters::INSECURE_TOY;

    use super::*;

    #[test]
    fn stored_form_round_trips_and_notices_damage() {
        let key = SecretKey::generate(&INSECURE_TOY);
        let bytes = key.to_bytes();
        let read = SecretKey::from_bytes(&bytes).expect("just written");
        assert_eq!((&read.ring, &read.lwe), (&key.ring, &key.lwe));
        for position in [0, 40, bytes.len() - 1] {
            let mut damaged = bytes.to_vec();
            damaged[position] ^= 1;
            let error = SecretKey::from_bytes(&damaged).expect_err("a bit was flipped");
            assert_eq!(error, FheError::Checksum { what: WHAT });
        }
        assert!(SecretKey::from_bytes(&bytes[..bytes.len() / 2]).is_err());
        assert!(SecretKey::from_bytes(&[]).is_err());
        assert!(is_secret_key(&bytes) && !is_secret_key(&bytes[1..]));
        let name = SECRET_KEY_NAME.as_bytes();
        assert!(bytes.windows(name.len()).any(|window| window == name));
    }

    #[test]
    fn debug_shows_no_bits() {
        let key = SecretKey::generate(&INSECURE_TOY);
        assert_eq!(
            format!("{key:?}"),
            "SecretKey { parameters: \"insecure-toy\", .. }"
        );
    }

    #[test]
    fn bits_are_balanced() {
        let key = SecretKey::generate(&INSECURE_TOY);
        let ones: u64 = key.ring.iter().sum();
        assert!((156..356).contains(&ones), "{ones} of 512"); // 8.8 sigma
        assert!(key.ring.iter().all(|&bit| bit <= 1));
    }
}
