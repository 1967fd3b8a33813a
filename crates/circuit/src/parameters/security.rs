//! How much noise 128-bit security takes.
//!
//! Lines `log2(std) = intercept + slope * dimension` of the noise's standard deviation on the torus, on or above every
//! point computed. For uniform binary keys it is the published curve of the concrete optimizer (`security_curves`,
//! 128 bits), which is what the lattice estimator gives by default (commit 27a581b of June 2026, cost model MATZOV;
//! the dual hybrid attack limits; at dimensions 700 to 900 of the curve: 128.3 bits). The library's own sets lie
//! above it: LWE 918 with TUniform(45) has 134.3 bits, GLWE 2048 with TUniform(17) 134.5.
//!
//! For block binary keys the estimator's default for sparse keys is too kind: an attacker who knows the blocks may
//! whiten them, and guesses z of their bits in `(L + 1)^(z / L)` tries. Their lines are where an attack that knows all of
//! that, and prices its guesses exactly, costs as much as the same attack on uniform binary keys of the published curve
//! with the same noise (by that stricter measure 123.5 to 125.2 bits for either). The estimator's default gives
//! the blocks' sets 132 bits and more. `docs/src/security.md` has the table.

use super::{ParameterSet, TUniform};

/// The noise that a kind of key needs.
#[derive(Clone, Copy, Debug)]
struct Line {
    intercept: f64,
    slope: f64,
}

/// Dimensions that were computed; outside, nothing is claimed.
const BLOCK_DIMENSIONS: std::ops::RangeInclusive<usize> = 639..=942;

fn line(block: usize) -> Option<Line> {
    let (intercept, slope) = match block {
        1 => (2.675_931, -0.025_696_779),
        2 => (3.4361, -0.025_708),
        3 => (4.0148, -0.025_808),
        _ => return None,
    };
    Some(Line { intercept, slope })
}

/// log2 of the smallest standard deviation of the noise, on the torus, with 128-bit security, for a key of so many bits in
/// blocks of so many; `None` where nothing was computed.
pub fn minimal_log2_std(dimension: usize, block: usize) -> Option<f64> {
    let line = line(block)?;
    let known = block == 1 || BLOCK_DIMENSIONS.contains(&dimension);
    known.then_some(line.intercept + line.slope * dimension as f64)
}

/// The smallest dimension, a multiple of the block's length, with 128-bit security under this noise.
pub fn minimal_dimension(noise: TUniform, block: usize) -> Option<usize> {
    let line = line(block)?;
    let dimension = (log2_std(noise) - line.intercept) / line.slope;
    let dimension = (dimension.ceil() as usize).next_multiple_of(block);
    minimal_log2_std(dimension, block).map(|_| dimension)
}

fn log2_std(noise: TUniform) -> f64 {
    noise.variance().log2() / 2.0
}

/// Checks that both keys of a set have 128-bit security.
///
/// # Errors
/// What is too weak, in a sentence.
pub fn check(set: &ParameterSet) -> Result<(), String> {
    for (what, dimension, block, noise) in [
        ("ring key", set.ring_dimension, 1, set.ring_noise),
        ("small key", set.lwe_dimension, set.lwe_block, set.lwe_noise),
    ] {
        let Some(minimal) = minimal_log2_std(dimension, block) else {
            return Err(format!(
                "the security of a {what} of {dimension} bits in blocks of {block} is not known"
            ));
        };
        let got = log2_std(noise);
        if got < minimal {
            return Err(format!(
                "noise of 2^{got:.2} for a {what} of {dimension} bits is less than 2^{minimal:.2}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures of the estimator's run, not of the lines, which are on the safe side of them.
    #[test]
    fn lines_give_the_dimensions_that_were_computed_or_slightly_larger_ones() {
        for (bound_log2, block, dimension) in [
            (48, 1, 758),
            (49, 1, 719),
            (47, 2, 826),
            (48, 2, 786),
            (49, 2, 748),
            (47, 3, 846),
            (48, 3, 807),
            (49, 3, 768),
            (50, 3, 729),
        ] {
            let noise = TUniform { bound_log2 };
            let got = minimal_dimension(noise, block).expect("known");
            assert!(
                got >= dimension && got <= dimension + block,
                "2^{bound_log2}, {block}: {got}"
            );
        }
    }

    #[test]
    fn too_little_noise_and_unknown_blocks_are_refused() {
        let set = super::super::FAST_1024;
        assert_eq!(check(&set), Ok(()));
        let weak = ParameterSet {
            lwe_dimension: 804,
            ..set
        };
        assert!(check(&weak).expect_err("weak").contains("small key of 804"));
        let weak = ParameterSet {
            ring_noise: TUniform { bound_log2: 14 },
            ..set
        };
        assert!(check(&weak).expect_err("weak").contains("ring key"));
        for (lwe_dimension, lwe_block) in [(1200, 3), (808, 4)] {
            let unknown = ParameterSet {
                lwe_dimension,
                lwe_block,
                ..set
            };
            assert!(check(&unknown).expect_err("unknown").contains("not known"));
        }
    }
}
