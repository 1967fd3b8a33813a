//! Parameter sets: every number that fixes the security, the noise and the cost of the scheme.
//!
//! A set is looked up by name in the table compiled into each program. A client therefore never
//! takes parameters from a server, which could hand it weak ones.

/// Bits of each body coefficient that a request carries; masks travel as a seed.
pub const REQUEST_BODY_BITS: u32 = 32;

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
    /// Measured cost of one LUT on one core of the reference machine, in seconds (full batches).
    pub lut_seconds: f64,
    /// The same for a coarse LUT.
    pub coarse_lut_seconds: f64,
    /// Measured cost of one clear x encrypted ring product on the same core, in seconds.
    pub ring_product_seconds: f64,
}

impl ParameterSet {
    /// The decomposition in the blind rotation of a LUT.
    pub fn lut_decomposition(&self, precision: Precision) -> Decomposition {
        match precision {
            Precision::Full => self.bootstrap,
            Precision::Coarse => self.coarse_bootstrap,
        }
    }

    /// Measured cost of one LUT on one core of the reference machine, in seconds.
    pub fn lut_seconds(&self, precision: Precision) -> f64 {
        match precision {
            Precision::Full => self.lut_seconds,
            Precision::Coarse => self.coarse_lut_seconds,
        }
    }
}

/// 128-bit security, one ring for packing and bootstrapping (k = 1, N = 2048).
///
/// LUT: about 14.5 ms a core; worst LUT input noise 0.235 % of the range; evaluation key 31 MB.
pub const STANDARD_2048: ParameterSet = ParameterSet {
    name: "standard-2048",
    source: "tfhe-rs 1.8, V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128: \
             LWE dimension 918 with TUniform(45), GLWE dimension 1 x 2048 with TUniform(17)",
    security_bits: 128,
    ring_dimension: 2048,
    ring_noise: TUniform { bound_log2: 17 },
    bootstrap_glwe_dimension: 1,
    bootstrap_polynomial_size: 2048,
    bootstrap: Decomposition {
        base_log: 23,
        levels: 1,
    },
    coarse_bootstrap: Decomposition {
        base_log: 23,
        levels: 1,
    },
    lwe_dimension: 918,
    lwe_noise: TUniform { bound_log2: 45 },
    key_switch: Decomposition {
        base_log: 4,
        levels: 4,
    },
    ring_key_switch: Decomposition {
        base_log: 12,
        levels: 3,
    },
    key_body_bits: 64,
    response_modulus_log: 16,
    lut_seconds: 0.014_5,
    coarse_lut_seconds: 0.014_5,
    ring_product_seconds: 0.000_05,
};

/// 128-bit security, LUT outputs precise enough to be multiplied with each other: three levels in the
/// blind rotation, on a ring of k = 2, N = 1024 whose key bits are those of the packing ring.
///
/// The small LWE key lies on the published 128-bit curve. Three levels make a long key, so its bodies
/// travel rounded to 44 bits. That adds noise of four times their own standard deviation; a LUT's output
/// has 2^-25.0 with it, 2^-25.8 without.
///
/// LUT: about 19 ms a core; worst LUT input noise 0.43 % of the range; output noise 2^-25.0;
/// evaluation key under 40 MB.
pub const PRECISE_1024: ParameterSet = ParameterSet {
    name: "precise-1024",
    source: "LWE dimension 758 with TUniform(48): on the 128-bit curve of the lattice estimator, \
             log2 std = 2.675931 - 0.025696779 n; GLWE dimension 2 x 1024 with TUniform(17): tfhe-rs 1.8, \
             V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128 has it for 2048 key bits",
    security_bits: 128,
    ring_dimension: 2048,
    ring_noise: TUniform { bound_log2: 17 },
    bootstrap_glwe_dimension: 2,
    bootstrap_polynomial_size: 1024,
    bootstrap: Decomposition {
        base_log: 11,
        levels: 3,
    },
    coarse_bootstrap: Decomposition {
        base_log: 22,
        levels: 1,
    },
    lwe_dimension: 758,
    lwe_noise: TUniform { bound_log2: 48 },
    key_switch: Decomposition {
        base_log: 1,
        levels: 15,
    },
    ring_key_switch: Decomposition {
        base_log: 6,
        levels: 7,
    },
    key_body_bits: 44,
    response_modulus_log: 16,
    lut_seconds: 0.019,
    coarse_lut_seconds: 0.010,
    ring_product_seconds: 0.000_05,
};

/// A toy without any security, for tests that must be fast: k = 2, N = 256, n = 64.
#[cfg(feature = "insecure")]
pub const INSECURE_TOY: ParameterSet = ParameterSet {
    name: "insecure-toy",
    source: "none: made for fast tests, offers no security",
    security_bits: 0,
    ring_dimension: 512,
    ring_noise: TUniform { bound_log2: 17 },
    bootstrap_glwe_dimension: 2,
    bootstrap_polynomial_size: 256,
    bootstrap: Decomposition {
        base_log: 23,
        levels: 1,
    },
    coarse_bootstrap: Decomposition {
        base_log: 23,
        levels: 1,
    },
    lwe_dimension: 64,
    lwe_noise: TUniform { bound_log2: 40 },
    key_switch: Decomposition {
        base_log: 5,
        levels: 4,
    },
    ring_key_switch: Decomposition {
        base_log: 12,
        levels: 3,
    },
    key_body_bits: 64,
    response_modulus_log: 16,
    lut_seconds: 0.000_2,
    coarse_lut_seconds: 0.000_2,
    ring_product_seconds: 0.000_01,
};

/// A toy in the shape of [`PRECISE_1024`]: k = 2, N = 512, n = 64, three levels. No security.
#[cfg(feature = "insecure")]
pub const INSECURE_PRECISE: ParameterSet = ParameterSet {
    name: "insecure-precise",
    source: "none: made for fast tests, offers no security",
    security_bits: 0,
    ring_dimension: 1024,
    ring_noise: TUniform { bound_log2: 17 },
    bootstrap_glwe_dimension: 2,
    bootstrap_polynomial_size: 512,
    bootstrap: Decomposition {
        base_log: 11,
        levels: 3,
    },
    coarse_bootstrap: Decomposition {
        base_log: 22,
        levels: 1,
    },
    lwe_dimension: 64,
    lwe_noise: TUniform { bound_log2: 40 },
    key_switch: Decomposition {
        base_log: 4,
        levels: 5,
    },
    ring_key_switch: Decomposition {
        base_log: 6,
        levels: 7,
    },
    key_body_bits: 44,
    response_modulus_log: 16,
    lut_seconds: 0.000_5,
    coarse_lut_seconds: 0.000_3,
    ring_product_seconds: 0.000_02,
};

/// All sets this build knows. Toys are there only with the `insecure` feature.
pub const ALL: &[&ParameterSet] = &[
    &STANDARD_2048,
    &PRECISE_1024,
    #[cfg(feature = "insecure")]
    &INSECURE_TOY,
    #[cfg(feature = "insecure")]
    &INSECURE_PRECISE,
];

/// The names of all secure sets this build knows, for people.
pub fn names() -> String {
    let secure = ALL.iter().filter(|set| set.security_bits > 0);
    secure.map(|set| set.name).collect::<Vec<_>>().join(", ")
}

/// Finds a set by name.
pub fn by_name(name: &str) -> Option<&'static ParameterSet> {
    ALL.iter().copied().find(|set| set.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// log2 of the smallest noise standard deviation, on the torus, with 128-bit security for
    /// binary secrets of this dimension: the published curve -0.025696779 n + 2.675931 (lattice
    /// estimator, as used in the concrete optimizer's `security_curves`, 128 bits).
    fn minimal_log2_std(dimension: usize) -> f64 {
        2.675_931 - 0.025_696_779 * dimension as f64
    }

    #[test]
    fn secure_sets_lie_above_the_128_bit_curve() {
        for set in ALL.iter().filter(|set| set.security_bits > 0) {
            assert_eq!(set.security_bits, 128);
            for (dimension, noise) in [
                (set.ring_dimension, set.ring_noise),
                (set.lwe_dimension, set.lwe_noise),
            ] {
                let log2_std = noise.variance().log2() / 2.0;
                assert!(
                    log2_std >= minimal_log2_std(dimension),
                    "{}: 2^{log2_std} at dimension {dimension}",
                    set.name
                );
            }
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
