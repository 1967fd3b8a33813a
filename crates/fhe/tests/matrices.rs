//! Clear matrices times packed vectors, and external products: against plain arithmetic on toy parameters.

mod common;

use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::parameters::{INSECURE_PRECISE, INSECURE_TOY};
use cipherformer_fhe::{FheError, Ggsw, PreparedMatrix, SecretKey, SeededGgsw};
use common::matrix::Case;
use common::{Client, distance, random_torus, shared};
use proptest::prelude::*;

fn toy() -> &'static Client {
    shared(&INSECURE_PRECISE)
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
        let sum: i64 = integers.iter().sum();
        // Rounding errors meet a key whose mean is not 0: integers of one sign add that up, and the formula holds
        // for signs at random.
        let squares = squares.max(sum * sum) as f64;
        let variance = INSECURE_PRECISE
            .external_product_variance(squares, INSECURE_PRECISE.fresh_variance());
        for (got, expected) in toy().secret.decrypt_packed(&got).into_iter().zip(expected) {
            prop_assert!(distance(got, expected) < 8.0 * variance.sqrt());
        }
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
    let other = SecretKey::generate(&INSECURE_TOY).encrypt_packed(&[]);
    let ggsw = Ggsw::expand(SeededGgsw::encrypt(&[1], &toy().secret).expect("it fits"));
    assert!(shape(ggsw.multiply(&other).err()));
}
