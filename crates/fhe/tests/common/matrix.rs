//! Random matrices and vectors, and their products.

use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::graph::IntMatrix;
use cipherformer_fhe::{Packed, PreparedMatrix};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Client, random_torus};

/// Blocks of `width` values, and their plaintexts' sum of products with every row.
pub(crate) struct Case {
    pub(crate) matrix: IntMatrix,
    width: usize,
    values: Vec<u64>,
}

impl Case {
    pub(crate) fn random(rows: usize, columns: usize, width: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let weights = (0..rows * columns).map(|_| random.random_range(-9..=9));
        Self {
            matrix: IntMatrix::new(rows, columns, weights.collect()).expect("it fits"),
            width,
            values: random_torus(columns, seed),
        }
    }

    pub(crate) fn expected(&self) -> Vec<u64> {
        let row = |row| {
            let terms = self.matrix.row(row).iter().zip(&self.values);
            terms.fold(0, |sum: u64, (&w, x)| {
                sum.wrapping_add(x.wrapping_mul(i64::from(w) as u64))
            })
        };
        (0..self.matrix.rows()).map(row).collect()
    }

    pub(crate) fn apply(&self, client: &Client, parameters: &ParameterSet) -> (Packed, Vec<usize>) {
        let prepared = PreparedMatrix::new(&self.matrix, self.width, parameters).expect("it fits");
        let blocks = self.values.chunks(self.width);
        let blocks: Vec<Packed> = blocks.map(|b| client.secret.encrypt_packed(b)).collect();
        let product = prepared.apply(&blocks, &client.evaluation);
        (product.expect("it fits"), prepared.slots())
    }
}
