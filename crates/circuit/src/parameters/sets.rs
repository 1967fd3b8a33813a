//! The sets that circuits are shipped with.

use super::{Decomposition, ParameterSet, TUniform};

/// 128-bit security, one ring for packing and bootstrapping (k = 1, N = 2048).
///
/// No assumption but the library's: the bits of both keys are independent. LUT: about 8 ms a core; LUT input noise 0.23 %
/// of the range, output noise 2^-14.4; evaluation key 31 MB.
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
    lwe_block: 1,
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
};

/// 128-bit security, the cheapest LUTs that tell 16 values apart: a small key in blocks of three bits, one level in the
/// blind rotation, on a ring of k = 2, N = 1024 whose key bits are those of the packing ring.
///
/// LUT: about 3 ms a core; LUT input noise 0.39 % of the range, output noise 2^-14.1; evaluation key 14 MB.
pub const FAST_1024: ParameterSet = ParameterSet {
    name: "fast-1024",
    source: "LWE dimension 807 with TUniform(48), blocks of 3: this project's table for block binary keys \
             (parameters/security.rs); GLWE dimension 2 x 1024 with TUniform(17): tfhe-rs 1.8, \
             V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128 has it for 2048 key bits",
    security_bits: 128,
    ring_dimension: 2048,
    ring_noise: TUniform { bound_log2: 17 },
    bootstrap_glwe_dimension: 2,
    bootstrap_polynomial_size: 1024,
    bootstrap: Decomposition {
        base_log: 22,
        levels: 1,
    },
    coarse_bootstrap: Decomposition {
        base_log: 22,
        levels: 1,
    },
    lwe_dimension: 807,
    lwe_block: 3,
    lwe_noise: TUniform { bound_log2: 48 },
    key_switch: Decomposition {
        base_log: 1,
        levels: 15,
    },
    ring_key_switch: Decomposition {
        base_log: 12,
        levels: 3,
    },
    key_body_bits: 44,
    response_modulus_log: 16,
};

/// 128-bit security, LUT outputs precise enough to be multiplied with each other: as [`FAST_1024`], with three levels in
/// the blind rotation.
///
/// Three levels make a long key, so its bodies travel rounded to 44 bits. That adds noise of four times their own
/// standard deviation.
///
/// LUT: about 6 ms a core, coarse 3 ms; LUT input noise 0.49 % of the range; output noise 2^-24.5; evaluation
/// key 40 MB.
pub const PRECISE_1024: ParameterSet = ParameterSet {
    name: "precise-1024",
    source: "LWE dimension 768 with TUniform(49), blocks of 3: this project's table for block binary keys \
             (parameters/security.rs); GLWE dimension 2 x 1024 with TUniform(17): tfhe-rs 1.8, \
             V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128 has it for 2048 key bits",
    bootstrap: Decomposition {
        base_log: 11,
        levels: 3,
    },
    lwe_dimension: 768,
    lwe_noise: TUniform { bound_log2: 49 },
    ring_key_switch: Decomposition {
        base_log: 6,
        levels: 7,
    },
    ..FAST_1024
};

/// A toy without any security, for tests that must be fast: k = 2, N = 256, n = 64.
#[cfg(feature = "insecure")]
pub const INSECURE_TOY: ParameterSet = ParameterSet {
    name: "insecure-toy",
    source: "none: made for fast tests, offers no security",
    security_bits: 0,
    ring_dimension: 512,
    ring_noise: TUniform { bound_log2: 16 },
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
    lwe_block: 2,
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
};

/// A toy in the shape of [`PRECISE_1024`]: k = 2, N = 512, n = 64, three levels. No security.
#[cfg(feature = "insecure")]
pub const INSECURE_PRECISE: ParameterSet = ParameterSet {
    name: "insecure-precise",
    source: "none: made for fast tests, offers no security",
    security_bits: 0,
    ring_dimension: 1024,
    ring_noise: TUniform { bound_log2: 16 },
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
    lwe_dimension: 63,
    lwe_block: 3,
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
};

/// All sets with a name of their own. Toys are there only with the `insecure` feature.
pub const ALL: &[&ParameterSet] = &[
    &STANDARD_2048,
    &FAST_1024,
    &PRECISE_1024,
    #[cfg(feature = "insecure")]
    &INSECURE_TOY,
    #[cfg(feature = "insecure")]
    &INSECURE_PRECISE,
];
