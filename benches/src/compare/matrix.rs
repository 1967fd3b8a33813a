//! An encrypted vector of 768 times a clear 768 x 768 matrix, packed in and out.

use anyhow::{Result, ensure};
use cipherformer_circuit::graph::IntMatrix;
use cipherformer_circuit::noise::failure_log2;
use cipherformer_circuit::parameters::FAST_1024;
use cipherformer_fhe::{Packed, PreparedMatrix};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::levels::described;
use super::timing::{in_turns, timed};
use super::{Comparison, Side};
use crate::Keys;

/// Inputs and outputs.
const WIDTH: usize = 768;

/// Inputs of one ciphertext.
const BLOCK: usize = 64;

/// Of concrete-ml-extensions, as published; not measured here.
const PUBLISHED_MS: f64 = 9100.0;

/// Inputs and weights are integers of 8 bits: up to this.
const LARGEST: i8 = 127;

/// Errors within so many standard deviations of the predicted noise.
const TOLERANCE_STDS: f64 = 6.5;

/// Our product beside a published time.
pub(super) fn run(rounds: usize) -> Result<Comparison> {
    let product = Product::new()?;
    let mut worst = 0.0f64;
    let ours = || {
        let (time, error) = product.time()?;
        worst = worst.max(error);
        Ok(time)
    };
    let times = in_turns(rounds, ours, || Ok(PUBLISHED_MS))?;
    let parameters = product.keys.secret.parameters();
    let side = Side {
        what: format!(
            "packed {WIDTH}-vector of 8 bits times clear {WIDTH} x {WIDTH} matrix of 8 bits, packed again"
        ),
        parameters: described(parameters),
        failure_log2: Some(failure_log2(TOLERANCE_STDS, 1.0)),
        checked: true,
    };
    let theirs = Side {
        what: "the same sizes with concrete-ml-extensions: published, not measured here".to_owned(),
        parameters: "as published".to_owned(),
        failure_log2: None,
        checked: false,
    };
    let comparison = Comparison::new("one product", times, side, theirs);
    Ok(comparison
        .with("theirs_source", "published, not measured")
        .with("ours_luts", 0)
        .with("ours_ring_products", product.matrix.ring_products())
        .with("ours_largest_error_of_output_rms", worst / product.rms()))
}

struct Product {
    keys: Keys,
    matrix: PreparedMatrix,
    vector: Vec<Packed>,
    outputs: Vec<f64>,
    /// Torus units per unit of an output.
    scale: f64,
    /// Standard deviation of the noise, in units of an output.
    noise: f64,
}

impl Product {
    fn new() -> Result<Self> {
        let parameters = &FAST_1024;
        let keys = Keys::new(parameters);
        let mut random = StdRng::seed_from_u64(0);
        let mut draw = |count: usize| -> Vec<i8> {
            let draws = (0..count).map(|_| random.random_range(-LARGEST..=LARGEST));
            draws.collect()
        };
        let matrix = IntMatrix::new(WIDTH, WIDTH, draw(WIDTH * WIDTH)).expect("768 x 768");
        let inputs = draw(WIDTH);
        // So that no input overflows half the torus.
        let scale = 0.5 / (most(&matrix, |w| w.abs()) * f64::from(LARGEST));
        let torus = |&x: &i8| (f64::from(x) * scale * 64f64.exp2()) as i64 as u64;
        let torus: Vec<u64> = inputs.iter().map(torus).collect();
        let rows = (0..WIDTH).map(|row| matrix.row(row).iter().zip(&inputs));
        let outputs = rows.map(|row| row.map(|(&w, &x)| f64::from(w) * f64::from(x)).sum());
        let variance = most(&matrix, |w| w * w) * parameters.fresh_variance()
            + parameters.merging_variance(parameters.ring_dimension / BLOCK);
        Ok(Self {
            vector: torus
                .chunks(BLOCK)
                .map(|block| keys.secret.encrypt_packed(block))
                .collect(),
            outputs: outputs.collect(),
            matrix: PreparedMatrix::new(&matrix, BLOCK, parameters)?,
            scale,
            noise: variance.sqrt() / scale,
            keys,
        })
    }

    /// Milliseconds, and the largest error in units of an output; fails if that is more than noise can be.
    fn time(&self) -> Result<(f64, f64)> {
        let (packed, time) = timed(|| self.matrix.apply(&self.vector, &self.keys.evaluation));
        let torus = self.keys.secret.decrypt_packed(&packed?);
        let slots = self.matrix.slots();
        let mut worst = 0.0f64;
        for (&expected, &slot) in self.outputs.iter().zip(&slots) {
            let got = torus[slot] as i64 as f64 * (-64f64).exp2() / self.scale;
            worst = worst.max((got - expected).abs());
        }
        let most = TOLERANCE_STDS * self.noise;
        ensure!(
            worst < most,
            "our matrix: an error of {worst}, not below {most}"
        );
        Ok((time, worst))
    }

    /// Root mean square of the outputs.
    fn rms(&self) -> f64 {
        let squares: f64 = self.outputs.iter().map(|y| y * y).sum();
        (squares / WIDTH as f64).sqrt()
    }
}

/// The largest sum of a row.
fn most(matrix: &IntMatrix, of: impl Fn(f64) -> f64) -> f64 {
    let rows = (0..matrix.rows()).map(|row| matrix.row(row));
    let sums = rows.map(|row| row.iter().map(|&w| of(f64::from(w))).sum::<f64>());
    sums.fold(0.0, f64::max)
}
