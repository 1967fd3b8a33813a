//! LUTs, for every real parameter set.

use cipherformer_circuit::graph::LutCell;
use cipherformer_circuit::parameters::{FAST_1024, PRECISE_1024, STANDARD_2048};
use cipherformer_circuit::transformer::SCALED_LEVELS;
use cipherformer_circuit::{Function, ParameterSet, Precision, parameters};
use cipherformer_fhe::{PreparedLut, scaled_lut};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::common::{
    Client, client, compare, compare_within, difference, noisy, random_torus, shared,
};
use crate::{fast, precise, standard};

/// LUTs in a test: 1,024, or sixteen times as many with `CIPHERFORMER_FULL_NOISE=1` in the environment.
fn samples() -> usize {
    let full = std::env::var_os("CIPHERFORMER_FULL_NOISE").is_some_and(|value| value == "1");
    if full { 16_384 } else { 1024 }
}

#[test]
fn input_noise() {
    check_inputs(&STANDARD_2048, standard());
    check_inputs(&FAST_1024, fast());
    check_inputs(&PRECISE_1024, precise());
}

/// A set that tuning may choose, of the one shape that no shipped set has.
#[test]
fn tuned_noise() {
    let name = "tuned-4x512-22x1-22x1-807x3u48-1x15-12x3-44";
    let tuned = parameters::by_name(name).expect("sound");
    check_inputs(tuned, shared(tuned));
    check_outputs(tuned, Precision::Full, shared(tuned));
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
    let plain: Vec<u64> = random_torus(samples(), 4)
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
    check_outputs(&FAST_1024, Precision::Full, fast());
    check_outputs(&PRECISE_1024, Precision::Full, precise());
    check_outputs(&PRECISE_1024, Precision::Coarse, precise());
}

/// A table of 16 wide steps of random heights, its input in the middle of one, shows output noise.
fn check_outputs(parameters: &ParameterSet, precision: Precision, client: &Client) {
    let (steps, cells) = (16, parameters.bootstrap_polynomial_size);
    let mut random = StdRng::seed_from_u64(5);
    let mut tables = Vec::new();
    let (mut plain, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..samples() {
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

/// Few exact levels, and what circuits have: many coarse ones of scales that come out of a LUT, whose noise
/// hardly shows beside the coarse LUT's own.
///
/// The table's ramp meets the lowest frequencies of the ring key, so the noise depends on the key: from one
/// key to another its standard deviation differs by some 10 %. Hence several keys, and 25 %.
#[test]
fn scaled_output_noise() {
    let fresh = PRECISE_1024.fresh_variance();
    let lut = PRECISE_1024.lut_output_variance(Precision::Full);
    let keys: Vec<Client> = (0..4).map(|_| client(&PRECISE_1024)).collect();
    for (levels, precision, carried) in [
        (7, Precision::Full, 0.0),
        (SCALED_LEVELS, Precision::Coarse, lut),
    ] {
        let (mut got, mut expected) = (Vec::new(), Vec::new());
        for keys in &keys {
            let outputs = at_the_ends(levels, precision, carried, keys);
            expected.extend(
                outputs
                    .iter()
                    .zip(ENDS.iter().cycle())
                    .map(|(&output, (_, sign))| {
                        nearest_multiple(output, sign * f64::from(levels), levels)
                    }),
            );
            got.extend(outputs);
        }
        let variance = PRECISE_1024.scaled_lut_output_variance(levels, precision, fresh + carried);
        let what = format!("scaled lut, {levels} levels, {precision:?}");
        compare_within(0.25, &what, &got, &expected, variance);
    }
}

/// The ends of the input range, where the multiples of the scale and so its noise are largest. Beyond an end the
/// table goes on with the same multiples, as it is negacyclic.
const ENDS: [(u64, f64); 2] = [(1 << 62, 1.0), (3 << 62, -1.0)];

/// So large that noise does not hide which multiple of it an output is.
const SCALE: u64 = 1 << 56;

/// One value a scale: those of one scale share its noise, and would count as one sample.
fn at_the_ends(levels: u32, precision: Precision, carried: f64, keys: &Client) -> Vec<u64> {
    let mut random = StdRng::seed_from_u64(6);
    let scales = noisy(&[SCALE; 256], carried.sqrt(), &mut random);
    let values = ENDS.iter().cycle().map(|(end, _)| *end);
    let values: Vec<u64> = values.take(scales.len()).collect();
    let outputs = scaled_lut(
        levels,
        precision,
        &keys.secret.encrypt_scalars(&values),
        &keys.secret.encrypt_scalars(&scales),
        &keys.evaluation,
        &|_| (),
    );
    keys.secret.decrypt_scalars(&outputs.expect("fits"))
}

/// Noise of the input moves it by a few of many levels, which is not the noise of the output.
fn nearest_multiple(output: u64, level: f64, levels: u32) -> u64 {
    let found = (difference(output, 0) / difference(SCALE, 0)).round();
    let moved = 8.0 * PRECISE_1024.lut_input_variance().sqrt() * 4.0 * f64::from(levels);
    assert!((found - level).abs() < 0.5 + moved, "{found} of {level}");
    SCALE.wrapping_mul(found as i64 as u64)
}
