//! LUTs, for every real parameter set.

use cipherformer_circuit::graph::LutCell;
use cipherformer_circuit::parameters::{PRECISE_1024, STANDARD_2048};
use cipherformer_circuit::{Function, ParameterSet, Precision};
use cipherformer_fhe::{PreparedLut, scaled_lut};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::common::{Client, client, compare, compare_within, random_torus};
use crate::{precise, standard};

const SAMPLES: usize = 1024;

#[test]
fn input_noise() {
    check_inputs(&STANDARD_2048, standard());
    check_inputs(&PRECISE_1024, precise());
}

/// The identity as a LUT shows what its input carried: key switch, modulus switch and rounding to a
/// cell, and its own output noise, which is far smaller.
fn check_inputs(parameters: &ParameterSet, client: &Client) {
    let cell = LutCell {
        function: Function::Identity,
        input_scale: 1.0,
        input_bias: 0.0,
        output_scale: 1.0,
        rounded: false,
    };
    // Away from the range's ends.
    let plain: Vec<u64> = random_torus(SAMPLES, 4)
        .into_iter()
        .map(|x| ((x as i64) >> 2) as u64)
        .collect();
    let lut = PreparedLut::new(&vec![cell; plain.len()], Precision::Full, parameters);
    let values = client.secret.encrypt_scalars(&plain);
    let got = lut
        .apply(&values, &client.evaluation, &|_| ())
        .expect("fits");
    let got = client.secret.decrypt_scalars(&got);
    let variance =
        parameters.lut_input_variance() + parameters.lut_output_variance(Precision::Full);
    let what = format!("{} lut input", parameters.name);
    compare(&what, &got, &plain, variance);
}

#[test]
fn output_noise() {
    check_outputs(&STANDARD_2048, Precision::Full, standard());
    check_outputs(&PRECISE_1024, Precision::Full, precise());
    check_outputs(&PRECISE_1024, Precision::Coarse, precise());
}

/// A table of 16 wide steps of random heights, its input in the middle of one, shows output noise.
fn check_outputs(parameters: &ParameterSet, precision: Precision, client: &Client) {
    let (steps, cells) = (16, parameters.bootstrap_polynomial_size);
    let mut random = StdRng::seed_from_u64(5);
    let mut tables = Vec::new();
    let (mut plain, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        let heights: Vec<u64> = (0..steps).map(|_| random.random()).collect();
        let step = random.random_range(0..steps);
        tables.push((0..cells).map(|i| heights[i * steps / cells]).collect());
        let centre = (step as f64 + 0.5) / (2 * steps) as f64 - 0.25;
        plain.push((centre * 64f64.exp2()) as i64 as u64);
        expected.push(heights[step]);
    }
    let lut = PreparedLut::from_tables(tables, precision, parameters).expect("N cells each");
    let values = client.secret.encrypt_scalars(&plain);
    let got = lut
        .apply(&values, &client.evaluation, &|_| ())
        .expect("fits");
    let got = client.secret.decrypt_scalars(&got);
    let what = format!("{} lut output, {precision:?}", parameters.name);
    let variance = parameters.lut_output_variance(precision);
    compare(&what, &got, &expected, variance);
}

/// Inputs at the ends of the range, where the multiples of the scale and so its noise are largest. Beyond
/// an end the table goes on with the same multiple, as it is negacyclic.
///
/// The table's ramp meets the lowest frequencies of the ring key, so the noise depends on the key: from one
/// key to another its standard deviation differs by some 10 %. Hence several keys, and 25 %.
#[test]
fn scaled_output_noise() {
    let (levels, groups, clients) = (7, 256, 4);
    let (mut got, mut expected) = (Vec::new(), Vec::new());
    for seed in 0..clients {
        let keys = client(&PRECISE_1024);
        let scales = random_torus(groups, seed);
        // One value a scale: those of one scale share its noise, and would count as one sample.
        let ends = [(1 << 62, 7), (3 << 62, -7i64)].into_iter().cycle();
        let (values, multiples): (Vec<u64>, Vec<i64>) = ends.take(groups).unzip();
        let outputs = scaled_lut(
            levels,
            Precision::Full,
            &keys.secret.encrypt_scalars(&values),
            &keys.secret.encrypt_scalars(&scales),
            &keys.evaluation,
            &|_| (),
        );
        got.extend(keys.secret.decrypt_scalars(&outputs.expect("fits")));
        let pairs = scales.iter().zip(&multiples);
        expected.extend(pairs.map(|(scale, &level)| scale.wrapping_mul(level as u64)));
    }
    let variance = PRECISE_1024.scaled_lut_output_variance(
        levels,
        Precision::Full,
        PRECISE_1024.fresh_variance(),
    );
    compare_within(0.25, "scaled lut", &got, &expected, variance);
}
