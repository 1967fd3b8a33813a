//! A value times an encrypted scale, in one LUT: the LUT's table is itself encrypted.
//!
//! The scale, packed alone, times the clear polynomial `sum_i T_i Y^i`, `Y = X^k`, is a packed
//! ciphertext of the table `scale * T`. It is in the blind rotation's ring as it stands
//! ([`interleave`]), and there a value looks itself up in it.

use std::iter::repeat_n;

use cipherformer_circuit::{ParameterSet, Precision};
use rayon::prelude::*;
use tfhe::core_crypto::prelude::*;

use crate::Scalars;
use crate::bootstrap::{Table, bootstrap};
use crate::convert;
use crate::error::FheError;
use crate::fft::{Fourier, Transform};
use crate::interleave;
use crate::keys::EvaluationKey;
use crate::lookup;
use crate::ring::pack;

/// Multiplies group j of the values by scale j: output i is `scale * T(x_i)`, T the integers in
/// `[-levels, levels]` of [`scaled_level`](cipherformer_circuit::scaled_level), for x_i in [-1/4, 1/4). With g scales, the values are g groups
/// of equally many. Calls `done` with the number of LUTs finished, as they finish.
///
/// Input noise: the values', plus `lut_input_variance`. Output noise: `scaled_lut_output_variance`.
/// Cost: one LUT a value; log2(N) automorphisms and one ring product a scale; on all cores.
///
/// # Errors
/// Groups that are not equally large, ciphertexts of another dimension, or so many levels that products
/// would not be exact.
pub fn scaled_lut(
    levels: u32,
    precision: Precision,
    values: &Scalars,
    scales: &Scalars,
    key: &EvaluationKey,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Scalars, FheError> {
    let (count, groups) = (
        values.lwe_ciphertext_count().0,
        scales.lwe_ciphertext_count().0,
    );
    if groups == 0 || !count.is_multiple_of(groups) {
        return Err(FheError::Shape {
            operation: "scaled lut",
            expected: "equally many values for each of at least one scale".to_owned(),
            got: format!("{count} values, {groups} scales"),
        });
    }
    let integers = integer_table(levels, key.parameters)?;
    let scales: Vec<_> = scales.iter().collect();
    let tables = scales
        .par_iter()
        .map(|scale| encrypted_table(scale, &integers, key))
        .collect::<Result<Vec<Table>, FheError>>()?;
    let tables: Vec<Table> = tables
        .into_iter()
        .flat_map(|table| repeat_n(table, count / groups))
        .collect();
    bootstrap(values, &tables, precision, key, done)
}

/// The table in the clear, in the Fourier domain.
fn integer_table(levels: u32, parameters: &ParameterSet) -> Result<Fourier, FheError> {
    let levels = parameters.level_polynomial(levels);
    let integers: Vec<u64> = levels.iter().map(|&level| level as i64 as u64).collect();
    lookup::check_norm("scaled lut", &integers)?;
    Ok(Transform::new(convert::ring_size(parameters)).integers(&integers))
}

/// The table times the scale, in the blind rotation's ring.
fn encrypted_table(
    scale: &LweCiphertextView<'_, u64>,
    integers: &Fourier,
    key: &EvaluationKey,
) -> Result<Table, FheError> {
    let scale = Scalars::from_container(
        scale.as_ref().to_vec(),
        scale.lwe_size(),
        convert::modulus(),
    );
    let packed = pack(&scale, key)?;
    let mut transform = Transform::new(packed.polynomial_size());
    let halves = lookup::halves(packed.as_ref(), &mut transform);
    let product = lookup::product([(integers, &halves)], &mut transform);
    let k = key.parameters.bootstrap_glwe_dimension;
    Ok(interleave::to_bootstrap_ring(&product, k).into())
}
