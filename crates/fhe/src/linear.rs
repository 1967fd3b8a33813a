//! Integer weights times scalars, and lists of scalars: exact, without a bootstrap.

use cipherformer_circuit::graph::IntMatrix;
use rayon::prelude::*;
use tfhe::core_crypto::prelude::*;

use crate::Scalars;
use crate::convert::{self, to_torus};
use crate::error::FheError;

/// `weights * values + bias`, the bias in torus units. Noise: the inputs', times the rows' 2-norm.
///
/// Cost: `outputs * inputs * (N + 1)` integer multiplications, on all cores.
///
/// # Errors
/// Sizes that do not fit together.
pub fn linear(weights: &IntMatrix, bias: &[f64], values: &Scalars) -> Result<Scalars, FheError> {
    let count = values.lwe_ciphertext_count().0;
    if count != weights.columns() || bias.len() != weights.rows() {
        return Err(FheError::Shape {
            operation: "linear",
            expected: format!("{} values, {} biases", weights.columns(), weights.rows()),
            got: format!("{count} values, {} biases", bias.len()),
        });
    }
    let size = values.lwe_size().0;
    let mut output = vec![0u64; weights.rows() * size];
    output
        .par_chunks_mut(size)
        .enumerate()
        .for_each(|(row, sum)| {
            for (&weight, value) in weights.row(row).iter().zip(values.iter()) {
                let weight = i64::from(weight) as u64;
                for (sum, x) in sum.iter_mut().zip(value.as_ref()) {
                    *sum = sum.wrapping_add(weight.wrapping_mul(*x));
                }
            }
            let body = &mut sum[size - 1];
            *body = body.wrapping_add(to_torus(bias[row]));
        });
    Ok(Scalars::from_container(
        output,
        LweSize(size),
        convert::modulus(),
    ))
}

/// Every value times an integer; exact. The noise's standard deviation grows by the same factor.
pub fn scale(values: &Scalars, factor: i64) -> Scalars {
    let mut scaled = values.clone();
    let words = scaled.as_mut().iter_mut();
    words.for_each(|x| *x = x.wrapping_mul(factor as u64));
    scaled
}

/// Adds constants, in torus units.
///
/// # Errors
/// Another number of constants than of values.
pub fn add_constants(values: &mut Scalars, constants: &[f64]) -> Result<(), FheError> {
    let count = values.lwe_ciphertext_count().0;
    if count != constants.len() {
        return Err(FheError::Shape {
            operation: "add constants",
            expected: format!("{count} constants"),
            got: constants.len().to_string(),
        });
    }
    for (mut value, &constant) in values.iter_mut().zip(constants) {
        let body = value.get_mut_body().data;
        *body = body.wrapping_add(to_torus(constant));
    }
    Ok(())
}

/// Several lists as one.
///
/// # Panics
/// On no list, or lists of different dimensions.
pub fn concat(parts: &[&Scalars]) -> Scalars {
    let size = parts[0].lwe_size();
    assert!(parts.iter().all(|part| part.lwe_size() == size));
    let values: Vec<&[u64]> = parts.iter().map(|part| part.as_ref()).collect();
    Scalars::from_container(values.concat(), size, convert::modulus())
}

/// One list as several of `length` values each, the last one perhaps shorter.
///
/// # Panics
/// If `length` is 0.
pub fn split(values: &Scalars, length: usize) -> Vec<Scalars> {
    let size = values.lwe_size();
    let parts = values.as_ref().chunks(length * size.0);
    parts
        .map(|part| Scalars::from_container(part.to_vec(), size, convert::modulus()))
        .collect()
}
