//! The shipped sets against the published ones they name as their source.

use cipherformer_circuit::parameters::{ParameterSet, STANDARD_2048};
use tfhe::core_crypto::prelude::DynamicDistribution;
use tfhe::shortint::ClassicPBSParameters;
use tfhe::shortint::parameters::v1_4::V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128;

#[test]
fn standard_2048_is_as_secure_as_its_source() {
    check(
        &STANDARD_2048,
        "V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128",
        &V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128,
    );
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
