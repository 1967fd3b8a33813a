//! The sets that tuning tries.

use crate::parameters::{
    ALL, Decomposition, ParameterSet, STANDARD_2048, TUniform, security, tuned,
};

/// k and N of the blind rotation's ring.
const RINGS: [(usize, usize); 3] = [(4, 512), (2, 1024), (1, 2048)];

/// log2 of the base, and levels, of digits in the blind rotation.
const BOOTSTRAPS: [(u32, u32); 6] = [(22, 1), (23, 1), (11, 2), (12, 2), (11, 3), (8, 3)];

/// Likewise in key switches to the small key.
const KEY_SWITCHES: [(u32, u32); 3] = [(1, 13), (1, 15), (2, 8)];

/// Likewise in the packing ring.
const RING_KEY_SWITCHES: [(u32, u32); 2] = [(12, 3), (6, 7)];

/// Bits of the bootstrapping key's bodies.
const KEY_BODY_BITS: [u32; 2] = [44, 52];

/// log2 of the bound of the small key's noise.
const NOISES: std::ops::RangeInclusive<u32> = 44..=52;

/// All sets there are: of the shipped sets' kinds, the small key as short as 128-bit security allows.
pub fn candidates() -> Vec<ParameterSet> {
    let mut all = Vec::new();
    for (k, size) in RINGS {
        for (block, bound_log2) in (1..=3).flat_map(|block| NOISES.map(move |noise| (block, noise)))
        {
            let lwe_noise = TUniform { bound_log2 };
            let Some(lwe_dimension) = security::minimal_dimension(lwe_noise, block) else {
                continue;
            };
            let set = ParameterSet {
                bootstrap_glwe_dimension: k,
                bootstrap_polynomial_size: size,
                lwe_dimension,
                lwe_block: block,
                lwe_noise,
                ..STANDARD_2048
            };
            all.extend(digits(&set));
        }
    }
    all.retain(tuned::is_sound);
    all
}

/// A set with all kinds of digits.
fn digits(set: &ParameterSet) -> Vec<ParameterSet> {
    let mut all = Vec::new();
    for bootstrap in BOOTSTRAPS.map(decomposition) {
        let levels = (24 / bootstrap.base_log).min(bootstrap.levels);
        for key_switch in KEY_SWITCHES.map(decomposition) {
            for ring_key_switch in RING_KEY_SWITCHES.map(decomposition) {
                all.extend(KEY_BODY_BITS.map(|key_body_bits| ParameterSet {
                    bootstrap,
                    coarse_bootstrap: decomposition((bootstrap.base_log * levels, 1)),
                    key_switch,
                    ring_key_switch,
                    key_body_bits,
                    ..*set
                }));
            }
        }
    }
    all
}

fn decomposition((base_log, levels): (u32, u32)) -> Decomposition {
    Decomposition { base_log, levels }
}

/// A shipped name where there is one.
pub(super) fn name(set: &ParameterSet) -> String {
    let shipped = ALL.iter().filter(|shipped| shipped.security_bits > 0);
    let name = tuned::name(set);
    let same = shipped
        .into_iter()
        .find(|shipped| tuned::name(shipped) == name);
    same.map_or(name, |shipped| shipped.name.to_owned())
}
