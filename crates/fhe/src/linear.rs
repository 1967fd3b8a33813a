//! Integer weights times scalars: exact, without a bootstrap.

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
