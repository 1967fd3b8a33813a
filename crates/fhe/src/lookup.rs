//! Clear table times encrypted bag: an embedding lookup without a bootstrap.
//!
//! The client puts feature v at X^-(v mod N) of ciphertext v / N. Multiplied by the polynomial
//! `sum_v T[v][d] X^v`, coefficient 0 is `sum_v x_v T[v][d]`: column d of the lookup.

use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::graph::IntMatrix;
use rayon::prelude::*;
use tfhe::core_crypto::prelude::*;

use crate::Scalars;
use crate::convert;
use crate::error::FheError;
use crate::fft::{Fourier, Transform, add_product};

/// A table in the Fourier domain; 8 N bytes per column and ring ciphertext.
#[derive(Debug)]
pub struct PreparedTable {
    /// `columns[d][block]`
    columns: Vec<Vec<Fourier>>,
    size: PolynomialSize,
}

impl PreparedTable {
    /// Transforms a table \[entries x width\], every entry times `multiplier`.
    ///
    /// # Errors
    /// Columns so heavy that the FFT would not be exact: a 2-norm above 2^15.
    pub fn new(
        table: &IntMatrix,
        multiplier: u32,
        parameters: &ParameterSet,
    ) -> Result<Self, FheError> {
        const NORM_LIMIT: f64 = 32_768.0;
        let size = convert::ring_size(parameters);
        let columns = (0..table.columns())
            .into_par_iter()
            .map_init(
                || Transform::new(size),
                |transform, column| {
                    let times = |w: i8| i64::from(w) * i64::from(multiplier);
                    let weights: Vec<i64> = table.column(column).map(times).collect();
                    let norm = weights
                        .iter()
                        .map(|&w| (w as f64).powi(2))
                        .sum::<f64>()
                        .sqrt();
                    if norm > NORM_LIMIT {
                        return Err(FheError::Shape {
                            operation: "lookup table",
                            expected: format!("columns of norm at most {NORM_LIMIT}"),
                            got: format!("{norm:.0} in column {column}"),
                        });
                    }
                    let mut block = vec![0; size.0];
                    let blocks = weights.chunks(size.0).map(|weights| {
                        block.fill(0);
                        for (out, &w) in block.iter_mut().zip(weights) {
                            *out = w as u64;
                        }
                        transform.integers(&block)
                    });
                    Ok(blocks.collect())
                },
            )
            .collect::<Result<_, _>>()?;
        Ok(Self { columns, size })
    }

    /// One scalar per column, exact: the noise is the bag's times the column's 2-norm.
    ///
    /// Cost: `width * blocks` ring products, on all cores.
    ///
    /// # Errors
    /// A bag of another number of ciphertexts than the table has blocks.
    pub fn apply(&self, bag: &GlweCiphertextListOwned<u64>) -> Result<Scalars, FheError> {
        let blocks = self.columns.first().map_or(0, Vec::len);
        if bag.glwe_ciphertext_count().0 != blocks || bag.polynomial_size() != self.size {
            return Err(FheError::Shape {
                operation: "lookup",
                expected: format!("{blocks} ring ciphertexts of dimension {}", self.size.0),
                got: format!(
                    "{} of dimension {}",
                    bag.glwe_ciphertext_count().0,
                    bag.polynomial_size().0
                ),
            });
        }
        let mut transform = Transform::new(self.size);
        let halves: Vec<[[Fourier; 2]; 2]> = bag
            .iter()
            .map(|ciphertext| {
                let (mask, body) = ciphertext.as_ref().split_at(self.size.0);
                [transform.halves(mask), transform.halves(body)]
            })
            .collect();
        let scalars: Vec<Vec<u64>> = self
            .columns
            .par_iter()
            .map_init(
                || Transform::new(self.size),
                |transform, column| self.column(column, &halves, transform),
            )
            .collect();
        let size = LweDimension(self.size.0).to_lwe_size();
        Ok(Scalars::from_container(
            scalars.concat(),
            size,
            convert::modulus(),
        ))
    }

    fn column(
        &self,
        column: &[Fourier],
        halves: &[[[Fourier; 2]; 2]],
        transform: &mut Transform,
    ) -> Vec<u64> {
        let mut product = Vec::with_capacity(2 * self.size.0);
        for part in 0..2 {
            let mut sums = [transform.zero(), transform.zero()];
            for (block, halves) in column.iter().zip(halves) {
                for (sum, half) in sums.iter_mut().zip(&halves[part]) {
                    add_product(sum, half, block);
                }
            }
            product.extend(transform.back_exact(&sums));
        }
        let product = GlweCiphertext::from_container(product, self.size, convert::modulus());
        let size = LweDimension(self.size.0).to_lwe_size();
        let mut scalar = LweCiphertext::new(0, size, convert::modulus());
        extract_lwe_sample_from_glwe_ciphertext(&product, &mut scalar, MonomialDegree(0));
        scalar.into_container()
    }
}
