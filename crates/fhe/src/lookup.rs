//! Clear table times encrypted bag: an embedding lookup without a bootstrap.
//!
//! The client puts feature v at X^-(v mod N) of ciphertext v / N. Multiplied by the polynomial
//! `sum_v T[v][d] X^v`, coefficient 0 is `sum_v x_v T[v][d]`: column d of the lookup.

use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::graph::IntMatrix;
use rayon::prelude::*;
use tfhe::core_crypto::prelude::*;

use crate::convert;
use crate::error::FheError;
use crate::fft::{Fourier, Transform, add_product};
use crate::{Packed, Scalars};

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
        let size = convert::ring_size(parameters);
        let columns = (0..table.columns())
            .into_par_iter()
            .map_init(
                || Transform::new(size),
                |transform, column| {
                    let times = |w: i8| (i64::from(w) * i64::from(multiplier)) as u64;
                    let weights = table.column(column).map(times);
                    let mut weights: Vec<u64> = weights.collect();
                    check_norm("lookup table", &weights)?;
                    weights.resize(weights.len().next_multiple_of(size.0), 0);
                    let blocks = weights.chunks(size.0);
                    Ok(blocks.map(|block| transform.integers(block)).collect())
                },
            )
            .collect::<Result<_, _>>()?;
        Ok(Self { columns, size })
    }

    /// How many ring products [`PreparedTable::apply`] makes.
    pub fn ring_products(&self) -> usize {
        self.columns.iter().map(Vec::len).sum()
    }

    /// One scalar per column, exact: the noise is the bag's times the column's 2-norm.
    ///
    /// Cost: `width * blocks` ring products, on all cores.
    ///
    /// # Errors
    /// A bag of another number of ciphertexts than the table has blocks.
    pub fn apply(&self, bag: &[Packed]) -> Result<Scalars, FheError> {
        let blocks = self.columns.first().map_or(0, Vec::len);
        if bag.len() != blocks || bag.iter().any(|b| b.polynomial_size() != self.size) {
            return Err(FheError::Shape {
                operation: "lookup",
                expected: format!("{blocks} ring ciphertexts of dimension {}", self.size.0),
                got: format!("{} ring ciphertexts", bag.len()),
            });
        }
        let mut transform = Transform::new(self.size);
        let bag: Vec<Halves> = bag
            .iter()
            .map(|ciphertext| halves(ciphertext.as_ref(), &mut transform))
            .collect();
        let scalars: Vec<Vec<u64>> = self
            .columns
            .par_iter()
            .map_init(
                || Transform::new(self.size),
                |transform, column| self.column(column, &bag, transform),
            )
            .collect();
        let size = LweDimension(self.size.0).to_lwe_size();
        Ok(Scalars::from_container(
            scalars.concat(),
            size,
            convert::modulus(),
        ))
    }

    fn column(&self, column: &[Fourier], bag: &[Halves], transform: &mut Transform) -> Vec<u64> {
        let product = product(column.iter().zip(bag), transform);
        let product = GlweCiphertext::from_container(product, self.size, convert::modulus());
        let size = LweDimension(self.size.0).to_lwe_size();
        let mut scalar = LweCiphertext::new(0, size, convert::modulus());
        extract_lwe_sample_from_glwe_ciphertext(&product, &mut scalar, MonomialDegree(0));
        scalar.into_container()
    }
}

/// A packed ciphertext ready for exact products: mask and body, each as the halves of its coefficients.
pub(crate) type Halves = [[Fourier; 2]; 2];

/// Transforms the mask and body of a packed ciphertext. Cost: four FFTs.
pub(crate) fn halves(packed: &[u64], transform: &mut Transform) -> Halves {
    let (mask, body) = packed.split_at(packed.len() / 2);
    [transform.halves(mask), transform.halves(body)]
}

/// The sum of clear polynomials times packed ciphertexts, exact: mask and body. Cost: four FFTs.
pub(crate) fn product<'a>(
    terms: impl IntoIterator<Item = (&'a Fourier, &'a Halves)> + Clone,
    transform: &mut Transform,
) -> Vec<u64> {
    let mut product = Vec::new();
    for part in 0..2 {
        let mut sums = [transform.zero(), transform.zero()];
        for (integers, halves) in terms.clone() {
            for (sum, half) in sums.iter_mut().zip(&halves[part]) {
                add_product(sum, half, integers);
            }
        }
        product.extend(transform.back_exact(&sums));
    }
    product
}

/// Fails for integers, as two's complement, whose products the FFT would not make exact.
pub(crate) fn check_norm(operation: &'static str, integers: &[u64]) -> Result<(), FheError> {
    const LIMIT: f64 = 32_768.0;
    let squares = integers.iter().map(|&x| (x as i64 as f64).powi(2));
    let norm = squares.sum::<f64>().sqrt();
    if norm <= LIMIT {
        return Ok(());
    }
    Err(FheError::Shape {
        operation,
        expected: format!("integers of norm at most {LIMIT}"),
        got: format!("{norm:.0}"),
    })
}
