//! The shipped sets against the published ones they name as their source.

use cipherformer_circuit::parameters::{ParameterSet, STANDARD_2048, TUniform, security};
use tfhe::core_crypto::prelude::DynamicDistribution;
use tfhe::shortint::ClassicPBSParameters;
use tfhe::shortint::parameters::v1_4::{
    V1_4_PARAM_MESSAGE_1_CARRY_1_KS_PBS_TUNIFORM_2M128,
    V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128,
    V1_4_PARAM_MESSAGE_3_CARRY_3_KS_PBS_TUNIFORM_2M128,
    V1_4_PARAM_MESSAGE_4_CARRY_4_KS_PBS_TUNIFORM_2M128,
};

#[test]
fn standard_2048_is_as_secure_as_its_source() {
    check(
        &STANDARD_2048,
        "V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128",
        &V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128,
    );
}

/// The curve that our sets are measured by, against sets that were published with 128 bits by others. Of the longest GLWE keys
/// the curve would allow less noise than a 64-bit torus can have.
#[test]
fn published_sets_lie_above_our_curve() {
    for set in [
        V1_4_PARAM_MESSAGE_1_CARRY_1_KS_PBS_TUNIFORM_2M128,
        V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128,
        V1_4_PARAM_MESSAGE_3_CARRY_3_KS_PBS_TUNIFORM_2M128,
        V1_4_PARAM_MESSAGE_4_CARRY_4_KS_PBS_TUNIFORM_2M128,
    ] {
        let glwe = set.glwe_dimension.0 * set.polynomial_size.0;
        for (dimension, noise) in [
            (set.lwe_dimension.0, &set.lwe_noise_distribution),
            (glwe, &set.glwe_noise_distribution),
        ] {
            let bound_log2 = bound_log2(noise);
            let log2_std = TUniform { bound_log2 }.variance().log2() / 2.0;
            let curve = security::minimal_log2_std(dimension, 1).expect("binary keys");
            assert!(
                log2_std >= curve,
                "{dimension}: 2^{log2_std} below 2^{curve}"
            );
            // Nor so far above it that being above says nothing: two bits of noise are six of security.
            let closest = curve.max(-62.0);
            assert!(
                log2_std < closest + 2.3,
                "{dimension}: 2^{log2_std} above 2^{curve}"
            );
        }
    }
}

/// Dimensions and noise decide security; they must be the source's.
fn check(set: &ParameterSet, name: &str, source: &ClassicPBSParameters) {
    assert!(set.source.contains(name), "{} names its source", set.name);
    assert_eq!(set.lwe_dimension, source.lwe_dimension.0);
    assert_eq!(set.bootstrap_glwe_dimension, source.glwe_dimension.0);
    assert_eq!(set.bootstrap_polynomial_size, source.polynomial_size.0);
    assert_eq!(
        set.lwe_noise.bound_log2,
        bound_log2(&source.lwe_noise_distribution)
    );
    assert_eq!(
        set.ring_noise.bound_log2,
        bound_log2(&source.glwe_noise_distribution)
    );
}

fn bound_log2(noise: &DynamicDistribution<u64>) -> u32 {
    match noise {
        DynamicDistribution::TUniform(noise) => noise.bound_log2(),
        DynamicDistribution::Gaussian(_) => panic!("the source has bounded noise"),
    }
}
