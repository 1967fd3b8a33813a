//! A clear matrix times a packed vector, packed again.
//!
//! The vector comes in blocks of w values, w a power of two, each block in a ciphertext of its own at
//! coefficients 0 to w - 1. Reversed rows of the matrix stand w apart in a clear polynomial: N / w rows a
//! polynomial, whose product with the block has their dot products at coefficients w - 1, 2 w - 1 and so on.
//! Products of neighbouring rows overlap, but not there. Blocks add up in the Fourier domain. What comes out
//! already holds N / w values, so packing m' of these (a power of two) takes m' - 1 + log2(w / m') automorphisms.

use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::graph::IntMatrix;
use rayon::prelude::*;
use tfhe::core_crypto::prelude::PolynomialSize;

use super::packing::merge_packed;
use super::times_monomial;
use crate::Packed;
use crate::convert;
use crate::error::FheError;
use crate::fft::{Fourier, Transform};
use crate::keys::EvaluationKey;
use crate::lookup::{check_norm, halves, product};

/// A matrix \[outputs x inputs\] in the Fourier domain; 8 N bytes for every w inputs and N / w outputs.
#[derive(Debug)]
pub struct PreparedMatrix {
    /// `rows[l][block]`: rows l N / w to (l + 1) N / w.
    rows: Vec<Vec<Fourier>>,
    /// w.
    width: usize,
    outputs: usize,
    size: PolynomialSize,
}

impl PreparedMatrix {
    /// Transforms a matrix for vectors in blocks of `width` values, the last block perhaps shorter.
    ///
    /// # Errors
    /// A width that is not a power of two below N, more than N outputs or none, or rows so heavy that the FFT
    /// would not be exact: a 2-norm of N / w of them above 2^15.
    pub fn new(
        matrix: &IntMatrix,
        width: usize,
        parameters: &ParameterSet,
    ) -> Result<Self, FheError> {
        let size = convert::ring_size(parameters);
        if !width.is_power_of_two()
            || width >= size.0
            || matrix.columns() == 0
            || !(1..=size.0).contains(&matrix.rows())
        {
            return Err(FheError::Shape {
                operation: "matrix",
                expected: format!("1 to {} outputs, blocks of 2^i inputs below that", size.0),
                got: format!("{} outputs, blocks of {width}", matrix.rows()),
            });
        }
        let held = size.0 / width;
        let first_rows: Vec<usize> = (0..matrix.rows()).step_by(held).collect();
        let rows = first_rows
            .into_par_iter()
            .map_init(
                || Transform::new(size),
                |transform, first| {
                    let rows = first..matrix.rows().min(first + held);
                    let blocks: Vec<Vec<u64>> = (0..matrix.columns())
                        .step_by(width)
                        .map(|column| polynomial(matrix, rows.clone(), column, width, size.0))
                        .collect();
                    check_norm("matrix", &blocks.concat())?;
                    let fourier = blocks.iter().map(|block| transform.integers(block));
                    Ok(fourier.collect())
                },
            )
            .collect::<Result<_, FheError>>()?;
        Ok(Self {
            rows,
            width,
            outputs: matrix.rows(),
            size,
        })
    }

    /// Where each output is in the product.
    pub fn slots(&self) -> Vec<usize> {
        let held = self.size.0 / self.width;
        let unit = self.width / self.rows.len().next_power_of_two();
        let slot = |output: usize| output / held * unit + output % held * self.width;
        (0..self.outputs).map(slot).collect()
    }

    /// How many ring products [`PreparedMatrix::apply`] makes.
    pub fn ring_products(&self) -> usize {
        self.rows.len() * self.rows[0].len()
    }

    /// The product: output i at coefficient `slots()[i]`, 0 elsewhere. Noise: the vector's times the rows' 2-norm,
    /// and `merging_variance(N / w)`.
    ///
    /// Cost: for every N / w outputs one ring product for every w inputs, four FFTs, and about one automorphism;
    /// on all cores.
    ///
    /// # Errors
    /// Another number of blocks than the matrix has.
    pub fn apply(&self, vector: &[Packed], key: &EvaluationKey) -> Result<Packed, FheError> {
        let blocks = self.rows[0].len();
        if vector.len() != blocks || vector.iter().any(|b| b.polynomial_size() != self.size) {
            return Err(FheError::Shape {
                operation: "matrix",
                expected: format!("{blocks} blocks of dimension {}", self.size.0),
                got: format!("{} blocks", vector.len()),
            });
        }
        let mut transform = Transform::new(self.size);
        let vector: Vec<_> = vector
            .iter()
            .map(|block| halves(block.as_ref(), &mut transform))
            .collect();
        let products = self.rows.par_iter().map_init(
            || Transform::new(self.size),
            |transform, row| {
                let mut product = product(row.iter().zip(&vector), transform);
                // Down by w - 1, so that the first dot product is at coefficient 0.
                let down = 2 * self.size.0 - (self.width - 1);
                times_monomial(&mut product, down, self.size.0);
                product
            },
        );
        let held = self.size.0 / self.width;
        Ok(merge_packed(products.collect(), held, key))
    }
}

/// Rows of one block of columns, reversed, `width` apart.
fn polynomial(
    matrix: &IntMatrix,
    rows: std::ops::Range<usize>,
    column: usize,
    width: usize,
    size: usize,
) -> Vec<u64> {
    let mut polynomial = vec![0; size];
    for (row, place) in rows.zip(polynomial.chunks_mut(width)) {
        let block = &matrix.row(row)[column..];
        for (weight, slot) in block.iter().zip(place.iter_mut().rev()) {
            *slot = i64::from(*weight) as u64;
        }
    }
    polynomial
}
