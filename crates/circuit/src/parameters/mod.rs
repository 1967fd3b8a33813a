//! Parameter sets: every number that fixes the security, the noise and the cost of the scheme.
//!
//! A set is looked up by name in the table compiled into each program. A client therefore never
//! takes parameters from a server, which could hand it weak ones. Sets that tuning found are named by their numbers;
//! whoever reads such a name checks their security for itself.

pub mod security;
mod sets;
pub mod tuned;

pub use sets::*;

/// Bits of each body coefficient that a request carries; masks travel as a seed.
pub const REQUEST_BODY_BITS: u32 = 32;

/// Bits of each body coefficient of packing and product keys as sent; masks travel as a seed.
pub const RING_KEY_BODY_BITS: u32 = 46;

/// Of every body coefficient of the public key so many bits travel. Responses are rounded to fewer, and values flooded.
pub const PUBLIC_KEY_BODY_BITS: u32 = 18;

/// The same of key-switching keys, whose noise is coarse.
pub const KEY_SWITCH_BODY_BITS: u32 = 20;

/// A bounded uniform noise distribution: integers of `[-2^b, 2^b]`, the two ends half as likely.
///
/// Unlike a Gaussian it cannot produce a rare large error, so a bound on it is a certainty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TUniform {
    /// log2 of the bound, in units of 2^-64 of the torus.
    pub bound_log2: u32,
}

impl TUniform {
    /// Variance as a fraction of the torus, squared: `(2^(2b+1) + 1) / 6 / 2^128`.
    pub fn variance(self) -> f64 {
        (f64::from(2 * self.bound_log2 + 1).exp2() + 1.0) / 6.0 * (-128f64).exp2()
    }
}

/// A gadget decomposition: `levels` signed digits in base `2^base_log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decomposition {
    /// log2 of the base.
    pub base_log: u32,
    /// How many digits are kept.
    pub levels: u32,
}

impl Decomposition {
    /// Mean square of one signed digit, uniform in `[-B/2, B/2)`: `(B^2 + 2) / 12`.
    pub fn digit_variance(self) -> f64 {
        (f64::from(2 * self.base_log).exp2() + 2.0) / 12.0
    }

    /// Mean square of one digit of `[-B/2, B/2]` where half the base takes the sign that makes the next digit
    /// smaller (base 2: the non-adjacent form, two of three digits 0): `B^2 / 12 - (B - 2) / (12 (B + 1))`.
    ///
    /// One digit in B + 1 is half the base. The carry into the one above it depends on that digit, which so stays
    /// below half the base; all other carries are a fair coin. (The lowest digit has no carry, and a little more.)
    pub fn tied_digit_variance(self) -> f64 {
        let base = f64::from(self.base_log).exp2();
        base * base / 12.0 - (base - 2.0) / (12.0 * (base + 1.0))
    }

    /// Variance, on the torus, of what the kept digits leave out of a uniform value.
    pub fn rounding_variance(self) -> f64 {
        f64::from(-2 * (self.base_log * self.levels) as i32).exp2() / 12.0
    }
}

/// How precise a LUT's output is. Coarse ones cost less, where the parameters have any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// All levels of the bootstrapping key: for outputs that ring products multiply.
    #[default]
    Full,
    /// One level of it: for outputs that go to linear layers and LUTs.
    Coarse,
}

/// Everything that fixes security, noise and cost of ciphertexts and keys.
///
/// Two keys: the *ring key*, `ring_dimension` binary coefficients, under which data lives
/// (as RLWE in `Z[X]/(X^ring_dimension + 1)`, or as LWE under its coefficients), and the small
/// *LWE key* of `lwe_dimension` bits, used only at the input of a blind rotation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterSet {
    /// The name by which circuits and keys refer to the set.
    pub name: &'static str,
    /// Where the dimensions and noise come from.
    pub source: &'static str,
    /// Bits of security against the best known lattice attacks; 0 for toys.
    pub security_bits: u32,
    /// N of the ring that packs data; equal to `bootstrap_glwe_dimension * bootstrap_polynomial_size`.
    pub ring_dimension: usize,
    /// Noise of ciphertexts and keys under the ring key.
    pub ring_noise: TUniform,
    /// k of the GLWE ciphertexts in the blind rotation.
    pub bootstrap_glwe_dimension: usize,
    /// N of the GLWE ciphertexts in the blind rotation: the number of table entries of a LUT.
    pub bootstrap_polynomial_size: usize,
    /// Decomposition in the external products of the blind rotation.
    pub bootstrap: Decomposition,
    /// The same for coarse LUTs: one level, with the digits of several of `bootstrap`'s at once. Its key is that
    /// part of the bootstrapping key which scales by the last of these digits.
    pub coarse_bootstrap: Decomposition,
    /// n, the dimension of the small LWE key.
    pub lwe_dimension: usize,
    /// L, the length of the blocks of the small key: at most one bit of a block is 1, all L + 1 such blocks alike.
    /// With L = 1 all bits are independent and uniform. (Lee, Min, Seo, Song, "Faster TFHE bootstrapping with block
    /// binary keys", AsiaCCS 2023.)
    pub lwe_block: usize,
    /// Noise of the key-switching key, under the small LWE key.
    pub lwe_noise: TUniform,
    /// Decomposition of the LWE key switch from the ring key's coefficients to the small key.
    pub key_switch: Decomposition,
    /// Decomposition of ring key switches (automorphisms, relinearization).
    pub ring_key_switch: Decomposition,
    /// Bits of each body coefficient of the bootstrapping key as sent; masks travel as a seed.
    pub key_body_bits: u32,
    /// Bits a coefficient of a response is rounded to.
    pub response_modulus_log: u32,
}

impl ParameterSet {
    /// N' of the ring in which the LWE key switch is done: the small key's bits are its first coefficients.
    pub fn key_switch_polynomial_size(&self) -> usize {
        self.lwe_dimension.next_power_of_two().max(256)
    }

    /// Mean of a bit of the small key.
    pub fn lwe_bit_mean(&self) -> f64 {
        1.0 / (self.lwe_block as f64 + 1.0)
    }

    /// Variance of a bit of the small key.
    pub fn lwe_bit_variance(&self) -> f64 {
        self.lwe_bit_mean() * (1.0 - self.lwe_bit_mean())
    }

    /// The decomposition in the blind rotation of a LUT.
    pub fn lut_decomposition(&self, precision: Precision) -> Decomposition {
        match precision {
            Precision::Full => self.bootstrap,
            Precision::Coarse => self.coarse_bootstrap,
        }
    }
}

/// The names of all secure sets with a name of their own, for people.
pub fn names() -> String {
    let secure = ALL.iter().filter(|set| set.security_bits > 0);
    secure.map(|set| set.name).collect::<Vec<_>>().join(", ")
}

/// Finds a set by name: one of [`ALL`], or a tuned one, whose name says it all ([`tuned`]).
pub fn by_name(name: &str) -> Option<&'static ParameterSet> {
    let shipped = ALL.iter().copied().find(|set| set.name == name);
    shipped.or_else(|| tuned::by_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secure_sets_lie_above_the_128_bit_curves() {
        for set in ALL.iter().filter(|set| set.security_bits > 0) {
            assert_eq!(set.security_bits, 128);
            security::check(set).expect(set.name);
        }
    }

    #[test]
    fn coarse_luts_use_one_level_of_the_bootstrapping_key() {
        for set in ALL {
            let (coarse, full) = (set.coarse_bootstrap, set.bootstrap);
            assert_eq!(coarse.levels, 1);
            assert_eq!(coarse.base_log % full.base_log, 0);
            assert!(coarse.base_log <= full.base_log * full.levels);
        }
    }

    #[test]
    fn both_rings_share_one_key() {
        for set in ALL {
            assert_eq!(
                set.ring_dimension,
                set.bootstrap_glwe_dimension * set.bootstrap_polynomial_size
            );
            assert!(set.ring_dimension.is_power_of_two());
        }
    }

    #[test]
    fn names_are_found_and_unique() {
        for set in ALL {
            assert_eq!(by_name(set.name), Some(*set));
        }
        assert!(by_name("no-such-set").is_none());
    }
}
