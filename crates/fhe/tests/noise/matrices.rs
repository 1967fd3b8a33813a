//! Clear matrices and external products.

use cipherformer_circuit::parameters::PRECISE_1024;
use cipherformer_fhe::{Ggsw, SeededGgsw, pack_at};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::common::matrix::Case;
use crate::common::{TOLERANCE, compare_spread};
use crate::precise;

#[test]
fn matrix_noise() {
    let (mut got, mut expected, mut squares) = (Vec::new(), Vec::new(), 0.0);
    for seed in 0..64 {
        let case = Case::random(160, 100, 64, seed);
        let (product, slots) = case.apply(precise(), &PRECISE_1024);
        let all = precise().secret.decrypt_packed(&product);
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
/// multiplied. A few frequencies have most of the clean one's noise, so that it takes many products.
#[test]
fn external_product_noise() {
    let size = PRECISE_1024.ring_dimension;
    let mut random = StdRng::seed_from_u64(1);
    let packing = PRECISE_1024.packing_variance() + PRECISE_1024.fresh_variance();
    let fresh = PRECISE_1024.fresh_variance();
    for (what, packed, variance, runs, operands) in [
        ("clean", false, fresh, 64, 4),
        ("packed", true, packing, 24, 1),
    ] {
        let (mut got, mut squares) = (Vec::new(), 0.0);
        for _ in 0..runs {
            let integers: Vec<i64> = (0..768).map(|_| random.random_range(-31..=31)).collect();
            squares += integers.iter().map(|m| (m * m) as f64).sum::<f64>();
            let ggsw = SeededGgsw::encrypt(&integers, &precise().secret).expect("it fits");
            let ggsw = Ggsw::expand(ggsw);
            for _ in 0..operands {
                let operand = if packed {
                    let slots: Vec<usize> = (0..size).collect();
                    let zeros = precise().secret.encrypt_scalars(&vec![0; size]);
                    pack_at(&zeros, &slots, &precise().evaluation).expect("it fits")
                } else {
                    precise().secret.encrypt_packed(&vec![0; size])
                };
                let product = ggsw.multiply(&operand).expect("it fits");
                got.extend(precise().secret.decrypt_packed(&product));
            }
        }
        let variance = PRECISE_1024.external_product_variance(squares / f64::from(runs), variance);
        let what = format!("external product, {what} operand");
        // Not the mean: a few frequencies that key and polynomial amplify move all coefficients together.
        compare_spread(TOLERANCE, &what, &got, &vec![0; got.len()], variance);
    }
}
