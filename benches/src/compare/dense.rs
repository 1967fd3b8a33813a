//! A dense layer of 64 to 64 with activation: `y = clamp(floor(W x / 128), -8, 7)`, all of it in integers of 4 bits
//! (x of 0 to 15, weights of -7 to 7).

use anyhow::{Result, ensure};
use cipherformer_circuit::graph::{IntMatrix, cell_centre};
use cipherformer_circuit::noise::guard_in_stds;
use cipherformer_circuit::parameters::FAST_1024;
use cipherformer_circuit::{ParameterSet, Precision};
use cipherformer_fhe::{PreparedLut, Scalars, linear};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::dense_shortint::{MEASURED, Theirs};
use super::levels::{decode, described, encode};
use super::timing::{in_turns, timed};
use super::{Comparison, Side};
use crate::Keys;

/// Inputs and outputs.
pub(super) const WIDTH: usize = 64;

/// log2 of the sums that make one step of the output.
pub(super) const SHIFT: u32 = 7;

/// The middle of an input's range: inputs are centred under encryption.
const MIDDLE: f64 = 7.5;

/// log2 of the probability that noise carries a sum out of the LUT's range.
const FAILURE_LOG2: f64 = -40.0;

/// Weights, an input, and what comes out in the clear.
pub(super) struct Layer {
    pub(super) weights: IntMatrix,
    pub(super) inputs: Vec<u64>,
    pub(super) outputs: Vec<i64>,
}

impl Layer {
    /// Of random weights and inputs, always the same.
    pub(super) fn new() -> Self {
        let mut random = StdRng::seed_from_u64(0);
        let weights = (0..WIDTH * WIDTH).map(|_| random.random_range(-7..=7));
        let weights = IntMatrix::new(WIDTH, WIDTH, weights.collect()).expect("64 x 64");
        let inputs: Vec<u64> = (0..WIDTH).map(|_| random.random_range(0..16)).collect();
        let output = |row: usize| {
            let products = weights.row(row).iter().zip(&inputs);
            activation(products.map(|(&w, &x)| i64::from(w) * x as i64).sum())
        };
        Self {
            outputs: (0..WIDTH).map(output).collect(),
            weights,
            inputs,
        }
    }

    /// The largest sum of absolute weights of a row: sums of centred inputs lie within 7.5 times that, for any input.
    fn heaviest(&self) -> f64 {
        let rows = (0..WIDTH).map(|row| self.weights.row(row));
        let sums = rows.map(|row| row.iter().map(|w| f64::from(w.abs())).sum::<f64>());
        sums.fold(0.0, f64::max)
    }
}

fn activation(sum: i64) -> i64 {
    (sum >> SHIFT).clamp(-8, 7)
}

/// Our layer beside theirs.
pub(super) fn run(rounds: usize) -> Result<Comparison> {
    let layer = Layer::new();
    let mut ours = Ours::new(&layer, &FAST_1024)?;
    let theirs = Theirs::new(&layer);
    let mut luts = [0; 2];
    let times = in_turns(
        rounds,
        || ours.time(&layer),
        || {
            let (time, counted) = theirs.time(&layer)?;
            luts = counted;
            Ok(time)
        },
    )?;
    let [shared, measured] = luts;
    let exact = ours.exact as f64 / (rounds * WIDTH) as f64;
    let comparison = Comparison::new("one layer", times, ours.side(), theirs.side());
    Ok(comparison
        .with("ours_luts", WIDTH)
        .with("ours_ring_products", 0)
        .with("ours_exact_outputs", exact)
        .with("ours_tolerance", "one step of the output")
        .with("theirs_outputs_measured", MEASURED)
        .with("theirs_luts", shared + measured * WIDTH / MEASURED)
        .with("theirs_exact_outputs", 1.0))
}

/// One matrix product and one LUT an output.
struct Ours {
    keys: Keys,
    values: Scalars,
    lut: PreparedLut,
    /// Exact outputs so far.
    exact: usize,
}

impl Ours {
    fn new(layer: &Layer, parameters: &'static ParameterSet) -> Result<Self> {
        let keys = Keys::new(parameters);
        let squares = layer.heaviest() * 7.0; // at least any row's sum of squares
        let noise = parameters.lut_input_variance() + squares * parameters.fresh_variance();
        let room = 0.25 - guard_in_stds(FAILURE_LOG2) * noise.sqrt();
        let scale = room / (MIDDLE * layer.heaviest());
        let encode = |&x: &u64| ((x as f64 - MIDDLE) * scale * 64f64.exp2()) as i64 as u64;
        let torus: Vec<u64> = layer.inputs.iter().map(encode).collect();
        let tables = (0..WIDTH).map(|row| table(layer.weights.row(row), scale, parameters));
        Ok(Self {
            values: keys.secret.encrypt_scalars(&torus),
            lut: PreparedLut::from_tables(tables.collect(), Precision::Full, parameters)?,
            keys,
            exact: 0,
        })
    }

    /// Milliseconds; fails if an output is more than one step from the clear one.
    fn time(&mut self, layer: &Layer) -> Result<f64> {
        let (output, time) = timed(|| {
            let sums = linear(&layer.weights, &[0.0; WIDTH], &self.values)?;
            self.lut.apply(&sums, &self.keys.evaluation, &|_| ())
        });
        let output = self.keys.secret.decrypt_scalars(&output?);
        for (&expected, torus) in layer.outputs.iter().zip(output) {
            let got = decode(torus) as i64 - 8;
            ensure!(
                expected.abs_diff(got) <= 1,
                "our layer: {got} instead of {expected}"
            );
            self.exact += usize::from(got == expected);
        }
        Ok(time)
    }

    fn side(&self) -> Side {
        Side {
            what: format!("linear, then {WIDTH} LUTs in a batch; sums are analog"),
            parameters: described(self.keys.secret.parameters()),
            failure_log2: Some(FAILURE_LOG2),
            checked: true,
        }
    }
}

/// The activation of one row's sums, which inputs' centring shifts.
fn table(weights: &[i8], scale: f64, parameters: &ParameterSet) -> Vec<u64> {
    let shift = MIDDLE * weights.iter().map(|&w| f64::from(w)).sum::<f64>();
    let cells = parameters.bootstrap_polynomial_size;
    let output = |cell| activation((cell_centre(cell, cells) / scale + shift).floor() as i64);
    (0..cells)
        .map(|cell| encode((output(cell) + 8) as u64))
        .collect()
}
