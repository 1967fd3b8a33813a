//! Clear matrices times packed vectors, and external products: against plain arithmetic on toy parameters, and
//! their noise against the formulas at the real ones.

mod common;

use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::parameters::{INSECURE_PRECISE, PRECISE_1024};
use cipherformer_fhe::{FheError, Ggsw, Packed, PreparedMatrix, SeededGgsw, pack_at};
use common::{Client, TOLERANCE, compare_spread, random_torus, shared};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn toy() -> &'static Client {
    shared(&INSECURE_PRECISE)
}

fn real() -> &'static Client {
    shared(&PRECISE_1024)
}

/// Blocks of `width` values, and their plaintexts' sum of products with every row.
struct Case {
    matrix: IntMatrix,
    width: usize,
    values: Vec<u64>,
}

impl Case {
    fn random(rows: usize, columns: usize, width: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let weights = (0..rows * columns).map(|_| random.random_range(-9..=9));
        Self {
            matrix: IntMatrix::new(rows, columns, weights.collect()).expect("it fits"),
            width,
            values: random_torus(columns, seed),
        }
    }

    fn expected(&self) -> Vec<u64> {
        let row = |row| {
            let terms = self.matrix.row(row).iter().zip(&self.values);
            terms.fold(0, |sum: u64, (&w, x)| {
                sum.wrapping_add(x.wrapping_mul(i64::from(w) as u64))
            })
        };
        (0..self.matrix.rows()).map(row).collect()
    }

    fn apply(&self, client: &Client, parameters: &ParameterSet) -> (Packed, Vec<usize>) {
        let prepared = PreparedMatrix::new(&self.matrix, self.width, parameters).expect("it fits");
        let blocks = self.values.chunks(self.width);
        let blocks: Vec<Packed> = blocks.map(|b| client.secret.encrypt_packed(b)).collect();
        let product = prepared.apply(&blocks, &client.evaluation);
        (product.expect("it fits"), prepared.slots())
    }
}

fn distance(got: u64, expected: u64) -> f64 {
    (got.wrapping_sub(expected) as i64 as f64 * (-64f64).exp2()).abs()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn matrices_of_any_shape(
        rows in 1..70usize, columns in 1..40usize, width_log in 0..7u32, seed in any::<u64>(),
    ) {
        let case = Case::random(rows, columns, 1 << width_log, seed);
        let (product, slots) = case.apply(toy(), &INSECURE_PRECISE);
        let got = toy().secret.decrypt_packed(&product);
        let held = INSECURE_PRECISE.ring_dimension >> width_log;
        // Between the outputs all rows of a polynomial meet the vector's noise.
        let squares = (81 * columns * rows) as f64;
        let variance = squares * INSECURE_PRECISE.fresh_variance()
            + INSECURE_PRECISE.merging_variance(held);
        let mut plain = vec![0; got.len()];
        for (slot, x) in slots.iter().zip(case.expected()) {
            plain[*slot] = x;
        }
        for (i, (got, plain)) in got.into_iter().zip(plain).enumerate() {
            let error = distance(got, plain);
            prop_assert!(error < 8.0 * variance.sqrt(), "coefficient {i}: {error:e}");
        }
    }

    #[test]
    fn external_products_are_those_of_polynomials(
        integers in prop::collection::vec(-40..=40i64, 1..60), seed in any::<u64>(),
    ) {
        let size = INSECURE_PRECISE.ring_dimension;
        let plain = random_torus(size, seed);
        let mut expected = vec![0u64; size];
        for (i, &m) in integers.iter().enumerate() {
            for (j, x) in plain.iter().enumerate() {
                let term = if i + j < size { x.wrapping_mul(m as u64) } else { x.wrapping_mul(-m as u64) };
                expected[(i + j) % size] = expected[(i + j) % size].wrapping_add(term);
            }
        }
        let ggsw = Ggsw::expand(SeededGgsw::encrypt(&integers, &toy().secret).expect("few"));
        let got = ggsw.multiply(&toy().secret.encrypt_packed(&plain)).expect("same dimension");
        let squares: i64 = integers.iter().map(|m| m * m).sum();
        let variance = INSECURE_PRECISE
            .external_product_variance(squares as f64, INSECURE_PRECISE.fresh_variance());
        for (got, expected) in toy().secret.decrypt_packed(&got).into_iter().zip(expected) {
            prop_assert!(distance(got, expected) < 8.0 * variance.sqrt());
        }
    }
}

#[test]
fn matrix_noise() {
    let (mut got, mut expected, mut squares) = (Vec::new(), Vec::new(), 0.0);
    for seed in 0..64 {
        let case = Case::random(160, 100, 64, seed);
        let (product, slots) = case.apply(real(), &PRECISE_1024);
        let all = real().secret.decrypt_packed(&product);
        got.extend(slots.iter().map(|&slot| all[slot]));
        expected.extend(case.expected());
        let weights = case.matrix.data().iter();
        squares += weights.map(|&w| f64::from(w).powi(2)).sum::<f64>();
    }
    let carried = squares / got.len() as f64 * PRECISE_1024.fresh_variance();
    let variance = carried + PRECISE_1024.merging_variance(32);
    // Not the mean: outputs of one ciphertext share errors.
    compare_spread(TOLERANCE, "matrix", &got, &expected, variance);
}

/// Once with a clean operand, which shows what the product adds, once with one that was packed, whose noise is
/// multiplied.
#[test]
fn external_product_noise() {
    let size = PRECISE_1024.ring_dimension;
    let mut random = StdRng::seed_from_u64(1);
    let packing = PRECISE_1024.packing_variance() + PRECISE_1024.fresh_variance();
    let fresh = PRECISE_1024.fresh_variance();
    for (what, packed, variance, runs) in
        [("clean", false, fresh, 64), ("packed", true, packing, 24)]
    {
        let (mut got, mut squares) = (Vec::new(), 0.0);
        for _ in 0..runs {
            let integers: Vec<i64> = (0..768).map(|_| random.random_range(-31..=31)).collect();
            squares += integers.iter().map(|m| (m * m) as f64).sum::<f64>();
            let ggsw = SeededGgsw::encrypt(&integers, &real().secret).expect("it fits");
            let operand = if packed {
                let slots: Vec<usize> = (0..size).collect();
                let zeros = real().secret.encrypt_scalars(&vec![0; size]);
                pack_at(&zeros, &slots, &real().evaluation).expect("it fits")
            } else {
                real().secret.encrypt_packed(&vec![0; size])
            };
            let product = Ggsw::expand(ggsw).multiply(&operand).expect("it fits");
            got.extend(real().secret.decrypt_packed(&product));
        }
        let variance = PRECISE_1024.external_product_variance(squares / f64::from(runs), variance);
        let what = format!("external product, {what} operand");
        // Not the mean: a few frequencies that key and polynomial amplify move all coefficients together.
        compare_spread(TOLERANCE, &what, &got, &vec![0; got.len()], variance);
    }
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let shape = |error: Option<FheError>| matches!(error, Some(FheError::Shape { .. }));
    let matrix =
        |rows, columns| IntMatrix::new(rows, columns, vec![1; rows * columns]).expect("it fits");
    let new = |matrix: &IntMatrix, width| PreparedMatrix::new(matrix, width, &INSECURE_PRECISE);
    let size = INSECURE_PRECISE.ring_dimension;
    assert!(shape(new(&matrix(2, 2), 3).err()));
    assert!(shape(new(&matrix(2, 2), size).err()));
    assert!(shape(new(&matrix(0, 2), 4).err()));
    assert!(shape(new(&matrix(size + 1, 1), 4).err()));
    let heavy = IntMatrix::new(1024, 1024, vec![127; 1 << 20]).expect("it fits");
    assert!(shape(new(&heavy, 4).err()));
    let prepared = new(&matrix(2, 9), 8).expect("it fits");
    let block = toy().secret.encrypt_packed(&[]);
    assert!(shape(prepared.apply(&[block], &toy().evaluation).err()));
    assert!(shape(
        SeededGgsw::encrypt(&vec![1; size + 1], &toy().secret).err()
    ));
    let other = real().secret.encrypt_packed(&[]);
    let ggsw = Ggsw::expand(SeededGgsw::encrypt(&[1], &toy().secret).expect("it fits"));
    assert!(shape(ggsw.multiply(&other).err()));
}
