//! External products: a polynomial of integers, encrypted as GGSW, times a packed ciphertext.
//!
//! Chillotti et al., "TFHE", J. Cryptology 2020, section 3.3. Unlike the product of two packed ciphertexts it
//! does not multiply noise by the other operand's wrap-around, and the packed operand needs no grid; but
//! only a client can make a GGSW.

use cipherformer_circuit::ParameterSet;
use tfhe::core_crypto::prelude::{PolynomialSize, SeededGlweCiphertextListOwned};
use zeroize::Zeroizing;

use super::key_switch::{self, RingKeySwitchKey, Workspace};
use super::negacyclic;
use crate::Packed;
use crate::convert;
use crate::error::FheError;
use crate::keys::SecretKey;

/// A GGSW ciphertext as the client makes it: bodies, and the seed of the masks.
pub struct SeededGgsw {
    rows: SeededGlweCiphertextListOwned<u64>,
    parameters: &'static ParameterSet,
}

impl SeededGgsw {
    /// Encrypts the polynomial with these integers at coefficients 0 and up.
    ///
    /// # Errors
    /// More than N integers.
    pub fn encrypt(integers: &[i64], key: &SecretKey) -> Result<Self, FheError> {
        let parameters = key.parameters();
        if integers.len() > parameters.ring_dimension {
            return Err(FheError::Shape {
                operation: "encrypt GGSW",
                expected: format!("at most {} integers", parameters.ring_dimension),
                got: integers.len().to_string(),
            });
        }
        let mut polynomial = Zeroizing::new(vec![0; parameters.ring_dimension]);
        for (coefficient, &integer) in polynomial.iter_mut().zip(integers) {
            *coefficient = integer as u64;
        }
        let under_key = negacyclic(&polynomial, key.ring().as_ref());
        Ok(Self {
            rows: key_switch::generate(key, &[polynomial, under_key]),
            parameters,
        })
    }

    /// Bytes of the bodies and the seed.
    pub fn bytes(&self) -> usize {
        8 * self.rows.as_ref().len() + 16
    }
}

/// A GGSW ciphertext of a polynomial m of small integers under the ring key, in the Fourier domain.
pub struct Ggsw {
    /// Encrypts gadget multiples of m, and of m S.
    plain: RingKeySwitchKey,
    under_key: RingKeySwitchKey,
    size: PolynomialSize,
}

impl Ggsw {
    /// Expands the masks.
    pub fn expand(seeded: SeededGgsw) -> Self {
        let parameters = seeded.parameters;
        let [plain, under_key] = key_switch::expand(seeded.rows, parameters)
            .try_into()
            .unwrap_or_else(|_| unreachable!("it encrypts two polynomials"));
        Self {
            plain,
            under_key,
            size: convert::ring_size(parameters),
        }
    }

    /// m times the packed polynomial, modulo X^N + 1. Noise: `external_product_variance`.
    ///
    /// Cost: four FFTs, and two for each level of `ring_key_switch`.
    ///
    /// # Errors
    /// A ciphertext of another dimension.
    pub fn multiply(&self, packed: &Packed) -> Result<Packed, FheError> {
        if packed.polynomial_size() != self.size {
            return Err(FheError::Shape {
                operation: "external product",
                expected: format!("dimension {}", self.size.0),
                got: format!("dimension {}", packed.polynomial_size().0),
            });
        }
        let mut work = Workspace::new(self.size);
        let (mask, body) = packed.as_ref().split_at(self.size.0);
        let mut output = vec![0; 2 * self.size.0];
        // The phase is body - mask * S.
        for (key, polynomial, combine) in [
            (&self.plain, body, u64::wrapping_add as fn(u64, u64) -> u64),
            (&self.under_key, mask, u64::wrapping_sub),
        ] {
            key.multiply(polynomial, &mut work);
            let parts = work.product.iter_mut().zip(output.chunks_mut(self.size.0));
            for (product, output) in parts {
                work.transform.backward(product, 1.0, output, combine);
            }
        }
        Ok(Packed::from_container(
            output,
            self.size,
            convert::modulus(),
        ))
    }
}
