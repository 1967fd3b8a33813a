//! Parameter sets that tuning found, named by their numbers.
//!
//! `tuned-2x1024-11x3-22x1-768x3u49-1x15-6x7-44` is k x N of the blind rotation's ring, its decomposition and the coarse
//! one, the small key's n x L and noise bound, the decompositions of the key switch and of ring key switches, and the
//! bits of the bootstrapping key's bodies. Everything else is as in all secure sets.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::{Decomposition, ParameterSet, STANDARD_2048, TUniform, security};

const PREFIX: &str = "tuned-";

/// How many sets a process keeps, some hundred bytes each: all that tuning tries; names from outside must not fill
/// memory.
const MAX_KEPT: usize = 8192;

const MAX_NAME: usize = 80;

/// The set that a name describes, if it is one that can be computed with and has 128-bit security.
pub(super) fn by_name(name: &str) -> Option<&'static ParameterSet> {
    static KEPT: Mutex<BTreeMap<&str, &ParameterSet>> = Mutex::new(BTreeMap::new());
    let mut kept = KEPT.lock().expect("nothing here panics");
    if let Some(set) = kept.get(name) {
        return Some(set);
    }
    let set = parse(name)?;
    if kept.len() >= MAX_KEPT {
        return None;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    let set: &'static ParameterSet = Box::leak(Box::new(ParameterSet { name, ..set }));
    kept.insert(name, set);
    Some(set)
}

/// The name that describes a set.
pub fn name(set: &ParameterSet) -> String {
    let digits = |Decomposition { base_log, levels }| format!("{base_log}x{levels}");
    format!(
        "{PREFIX}{}x{}-{}-{}-{}x{}u{}-{}-{}-{}",
        set.bootstrap_glwe_dimension,
        set.bootstrap_polynomial_size,
        digits(set.bootstrap),
        digits(set.coarse_bootstrap),
        set.lwe_dimension,
        set.lwe_block,
        set.lwe_noise.bound_log2,
        digits(set.key_switch),
        digits(set.ring_key_switch),
        set.key_body_bits
    )
}

/// The set that a name describes; its own name is not set.
fn parse(name: &str) -> Option<ParameterSet> {
    if name.len() > MAX_NAME {
        return None;
    }
    let parts: Vec<&str> = name.strip_prefix(PREFIX)?.split('-').collect();
    let [
        ring,
        bootstrap,
        coarse,
        lwe,
        key_switch,
        ring_key_switch,
        bits,
    ] = parts[..]
    else {
        return None;
    };
    let (bootstrap_glwe_dimension, bootstrap_polynomial_size) = pair(ring)?;
    let (lwe, noise) = lwe.split_once('u')?;
    let (lwe_dimension, lwe_block) = pair(lwe)?;
    let set = ParameterSet {
        name: "",
        source: "chosen by tuning: dimensions and noise on the curves of parameters/security.rs; GLWE dimension \
                 2048 with TUniform(17): tfhe-rs 1.8, V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128",
        bootstrap_glwe_dimension,
        bootstrap_polynomial_size,
        bootstrap: decomposition(bootstrap)?,
        coarse_bootstrap: decomposition(coarse)?,
        lwe_dimension,
        lwe_block,
        lwe_noise: TUniform {
            bound_log2: number(noise)?,
        },
        key_switch: decomposition(key_switch)?,
        ring_key_switch: decomposition(ring_key_switch)?,
        key_body_bits: number(bits)?,
        ..STANDARD_2048
    };
    (is_sound(&set) && self::name(&set) == name).then_some(set)
}

/// Whether a set can be computed with, and has 128-bit security.
pub(crate) fn is_sound(set: &ParameterSet) -> bool {
    let ring = [(1, 2048), (2, 1024), (4, 512)]
        .contains(&(set.bootstrap_glwe_dimension, set.bootstrap_polynomial_size));
    let fits = |gadget: Decomposition, most: u32| {
        (1..=24).contains(&gadget.base_log)
            && gadget.levels >= 1
            && gadget.base_log * gadget.levels <= most
    };
    let (full, coarse) = (set.bootstrap, set.coarse_bootstrap);
    ring && fits(full, 44)
        && full.levels <= 3
        && coarse.levels == 1
        && coarse.base_log.is_multiple_of(full.base_log)
        && coarse.base_log <= full.base_log * full.levels
        && fits(coarse, 24)
        && fits(set.key_switch, 20)
        && fits(set.ring_key_switch, 48)
        && (32..=64).contains(&set.key_body_bits)
        && (1..=3).contains(&set.lwe_block)
        && (600..=1000).contains(&set.lwe_dimension)
        && set.lwe_dimension.is_multiple_of(set.lwe_block)
        && (40..=55).contains(&set.lwe_noise.bound_log2)
        && security::check(set).is_ok()
}

fn decomposition(text: &str) -> Option<Decomposition> {
    let (base_log, levels) = pair(text)?;
    Some(Decomposition { base_log, levels })
}

fn pair<A: std::str::FromStr, B: std::str::FromStr>(text: &str) -> Option<(A, B)> {
    let (a, b) = text.split_once('x')?;
    Some((number(a)?, number(b)?))
}

/// At most five digits.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::{FAST_1024, PRECISE_1024};
    use super::*;

    #[test]
    fn a_name_says_it_all() {
        for set in [FAST_1024, PRECISE_1024, STANDARD_2048] {
            let name = name(&set);
            let read = by_name(&name).expect(&name);
            assert_eq!(read.name, name);
            let (name, source) = (set.name, set.source);
            assert_eq!(
                ParameterSet {
                    name,
                    source,
                    ..*read
                },
                set
            );
        }
        assert_eq!(
            name(&PRECISE_1024),
            "tuned-2x1024-11x3-22x1-768x3u49-1x15-6x7-44"
        );
    }

    #[test]
    fn names_of_weak_and_senseless_sets_are_refused() {
        for (what, name) in [
            (
                "weak small key",
                "tuned-2x1024-11x3-22x1-765x3u49-1x15-6x7-44",
            ),
            (
                "little noise",
                "tuned-2x1024-11x3-22x1-768x3u48-1x15-6x7-44",
            ),
            (
                "another ring",
                "tuned-3x1024-11x3-22x1-768x3u49-1x15-6x7-44",
            ),
            ("no level", "tuned-2x1024-11x0-22x1-768x3u49-1x15-6x7-44"),
            ("coarse", "tuned-2x1024-11x3-21x1-768x3u49-1x15-6x7-44"),
            ("parts", "tuned-2x1024-11x3-22x1-768x3u49-1x15-6x7"),
            ("signs", "tuned-2x1024-11x3-22x1-768x3u49-1x+15-6x7-44"),
            ("zeros", "tuned-2x1024-11x3-22x1-0768x3u49-1x15-6x7-44"),
            (
                "size",
                "tuned-2x1024-11x3-22x1-768x3u49-1x15-6x7-4400000000000",
            ),
            ("block", "tuned-2x1024-11x3-22x1-768x4u49-1x15-6x7-44"),
            ("nothing", "tuned-"),
            ("nothing", "-"),
        ] {
            assert!(by_name(name).is_none(), "{what}: {name}");
        }
    }
}
