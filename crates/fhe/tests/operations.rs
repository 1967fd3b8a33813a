//! Properties of single operations over random inputs, on toy parameters.

mod common;

use cipherformer_circuit::graph::{IntMatrix, LutCell};
use cipherformer_circuit::parameters::{INSECURE_PRECISE, INSECURE_TOY};
use cipherformer_circuit::{Function, Precision};
use cipherformer_fhe::{FheError, PreparedLut, linear, pack, scale, scaled_lut};
use common::{Client, difference, distance, shared};
use proptest::prelude::*;

const N: usize = INSECURE_TOY.ring_dimension;

fn toy() -> &'static Client {
    shared(&INSECURE_TOY)
}

fn precise() -> &'static Client {
    shared(&INSECURE_PRECISE)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn packing_any_number_of_values_keeps_them(
        plain in prop::collection::vec(any::<u64>(), 1..=N / 4),
    ) {
        let values = toy().secret.encrypt_scalars(&plain);
        let packed = pack(&values, &toy().evaluation).expect("at most N");
        let stride = N / plain.len().next_power_of_two();
        let all = toy().secret.decrypt_packed(&packed);
        let noise = INSECURE_TOY.packing_variance() + INSECURE_TOY.fresh_variance();
        for (slot, expected) in plain.iter().enumerate() {
            let error = distance(all[slot * stride], *expected);
            prop_assert!(error < 8.0 * noise.sqrt(), "slot {slot}: {error:e}");
        }
    }

    #[test]
    fn scaling_multiplies_values_and_noise(
        plain in prop::collection::vec(any::<u64>(), 1..8),
        factor in -1000..1000i64,
    ) {
        let scaled = scale(&toy().secret.encrypt_scalars(&plain), factor);
        let noise = factor.unsigned_abs() as f64 * INSECURE_TOY.fresh_variance().sqrt();
        for (got, x) in toy().secret.decrypt_scalars(&scaled).into_iter().zip(plain) {
            // Uniform noise never exceeds the root of three times its variance.
            let expected = x.wrapping_mul(factor as u64);
            prop_assert!(distance(got, expected) <= 1.8 * noise);
        }
    }

    #[test]
    fn linear_layers_of_any_shape_match_plain_arithmetic(
        (weights, inputs) in (1..12usize, 1..12usize).prop_flat_map(|(rows, columns)| {
            let weights = prop::collection::vec(any::<i8>(), rows * columns);
            let inputs = prop::collection::vec(any::<u64>(), columns);
            (weights, inputs)
        }),
        bias in -0.49..0.49f64,
    ) {
        let rows = weights.len() / inputs.len();
        let matrix = IntMatrix::new(rows, inputs.len(), weights).expect("it fits");
        let values = toy().secret.encrypt_scalars(&inputs);
        let sums = linear(&matrix, &vec![bias; rows], &values).expect("it fits");
        let got = toy().secret.decrypt_scalars(&sums);
        for (row, got) in got.into_iter().enumerate() {
            let expected = matrix.row(row).iter().zip(&inputs).fold(
                ((bias * 64f64.exp2()) as i64) as u64,
                |sum, (&w, &x)| sum.wrapping_add(x.wrapping_mul(i64::from(w) as u64)),
            );
            let squares: f64 = matrix.row(row).iter().map(|&w| f64::from(w).powi(2)).sum();
            let noise = (squares * INSECURE_TOY.fresh_variance()).sqrt();
            // One unit of rounding for the bias.
            prop_assert!(distance(got, expected) <= 8.0 * noise + 1e-15);
        }
    }

    #[test]
    fn luts_of_any_number_of_values_match_their_functions(
        inputs in prop::collection::vec(-0.8..0.8f64, 1..40),
    ) {
        let cell = |index: usize| LutCell {
            function: [Function::Tanh, Function::Relu, Function::Gelu][index % 3],
            input_scale: 0.25,
            input_bias: 0.01 * index as f64,
            output_scale: 0.3,
            rounded: false,
        };
        let cells: Vec<LutCell> = (0..inputs.len()).map(cell).collect();
        let torus: Vec<f64> = inputs.iter().map(|x| x * 0.25).collect();
        let plain: Vec<u64> = torus.iter().map(|x| (x * 64f64.exp2()) as i64 as u64).collect();
        let values = toy().secret.encrypt_scalars(&plain);
        let lut = PreparedLut::new(&cells, Precision::Full, &INSECURE_TOY);
        let done = std::sync::atomic::AtomicUsize::new(0);
        let got = lut
            .apply(&values, &toy().evaluation, &|count| {
                done.fetch_max(count, std::sync::atomic::Ordering::SeqCst);
            })
            .expect("it fits");
        prop_assert_eq!(done.into_inner(), inputs.len());
        // Slopes are at most 1.13 (GELU's), and 0.3 / 0.25 scales them.
        let input = 1.13 * 0.3 / 0.25 * INSECURE_TOY.lut_input_variance().sqrt();
        let noise = input + INSECURE_TOY.lut_output_variance(Precision::Full).sqrt();
        for ((cell, x), got) in cells.iter().zip(&torus).zip(toy().secret.decrypt_scalars(&got)) {
            let got = difference(got, 0);
            prop_assert!((got - cell.apply(*x)).abs() < 8.0 * noise, "{cell:?} {x} {got}");
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let values = toy().secret.encrypt_scalars(&[0; 3]);
    let weights = IntMatrix::new(2, 4, vec![1; 8]).expect("it fits");
    let shape = |error: Option<FheError>| matches!(error, Some(FheError::Shape { .. }));
    assert!(shape(linear(&weights, &[0.0; 2], &values).err()));
    let cell = LutCell {
        function: Function::Identity,
        input_scale: 1.0,
        input_bias: 0.0,
        output_scale: 1.0,
        rounded: false,
    };
    let lut = PreparedLut::new(&[cell; 2], Precision::Full, &INSECURE_TOY);
    assert!(shape(lut.apply(&values, &toy().evaluation, &|_| ()).err()));
    let none = toy().secret.encrypt_scalars(&[]);
    assert!(shape(pack(&none, &toy().evaluation).err()));
    let many = toy().secret.encrypt_scalars(&vec![0; N + 1]);
    assert!(shape(pack(&many, &toy().evaluation).err()));
    assert!(shape(
        PreparedLut::from_tables(vec![vec![0; 7]], Precision::Full, &INSECURE_TOY).err()
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn scaled_luts_multiply_every_group_by_its_scale(
        scales in prop::collection::vec(any::<u64>(), 1..5),
        members in 1..5usize,
        levels in 1..=6u32,
        three_levels in any::<bool>(),
        precision in prop_oneof![Just(Precision::Full), Just(Precision::Coarse)],
        seed in any::<u64>(),
    ) {
        let (parameters, keys) = if three_levels {
            (&INSECURE_PRECISE, precise())
        } else {
            (&INSECURE_TOY, toy())
        };
        // The middle of a step: -levels to levels.
        let steps = 2 * u64::from(levels) + 1;
        let level = |i: usize| (seed.rotate_left(7 * i as u32) % steps) as i64 - i64::from(levels);
        let count = scales.len() * members;
        let quarter_step = |i| (level(i) as f64 / f64::from(4 * levels) * 64f64.exp2()) as i64 as u64;
        let plain: Vec<u64> = (0..count).map(quarter_step).collect();
        let got = scaled_lut(
            levels,
            precision,
            &keys.secret.encrypt_scalars(&plain),
            &keys.secret.encrypt_scalars(&scales),
            &keys.evaluation,
            &|_| (),
        );
        let got = keys.secret.decrypt_scalars(&got.expect("it fits"));
        let noise = parameters.scaled_lut_output_variance(levels, precision, parameters.fresh_variance());
        for (i, got) in got.into_iter().enumerate() {
            let expected = scales[i / members].wrapping_mul(level(i) as u64);
            prop_assert!(distance(got, expected) < 8.0 * noise.sqrt(), "{i}: {}", level(i));
        }
    }
}

#[test]
fn groups_that_do_not_fit_are_errors() {
    let encrypt = |count| toy().secret.encrypt_scalars(&vec![0; count]);
    let scaled = |levels, values, scales| {
        let (values, scales) = (encrypt(values), encrypt(scales));
        let result = scaled_lut(
            levels,
            Precision::Full,
            &values,
            &scales,
            &toy().evaluation,
            &|_| (),
        );
        matches!(result, Err(FheError::Shape { .. }))
    };
    assert!(scaled(3, 5, 2));
    assert!(scaled(3, 5, 0));
    assert!(scaled(1 << 20, 4, 2), "products would not be exact");
    assert!(!scaled(3, 4, 2));
    assert!(!scaled(3, 0, 2));
    let other = precise().secret.encrypt_scalars(&[0; 2]);
    let result = scaled_lut(
        3,
        Precision::Full,
        &encrypt(2),
        &other,
        &toy().evaluation,
        &|_| (),
    );
    assert!(matches!(result, Err(FheError::Shape { .. })));
    let result = scaled_lut(
        3,
        Precision::Full,
        &other,
        &encrypt(2),
        &toy().evaluation,
        &|_| (),
    );
    assert!(matches!(result, Err(FheError::Shape { .. })));
}
