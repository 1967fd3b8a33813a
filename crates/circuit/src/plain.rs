//! Evaluation without ciphertexts: the oracle, and the same with the noise to expect.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

use crate::circuit::Circuit;
use crate::engine::{At, Engine};
use crate::error::CircuitError;
use crate::evaluate::{State, evaluate_next};
use crate::features::Bag;
use crate::graph::{IntMatrix, LutCell, Op, cell_centre};
use crate::parameters::Precision;
use crate::tables::scaled_level;

/// Values at coefficients of a ring element; all other coefficients are 0.
pub type PlainPacked = Vec<(usize, f64)>;

/// Torus values in `f64`.
#[derive(Debug)]
pub struct Plain {
    /// Where noise comes from, if there is any.
    random: Option<StdRng>,
}

impl Plain {
    /// Without noise: the oracle that everything else is compared with.
    pub fn reference() -> Self {
        Self { random: None }
    }

    /// With noise drawn from the predicted distribution, wrapping at the end of the torus and cutting tables into
    /// cells as ciphertexts do: the accuracy that users will get, fast. The seed repeats it.
    pub fn simulate(seed: u64) -> Self {
        Self {
            random: Some(StdRng::seed_from_u64(seed)),
        }
    }

    /// What the client gets after each input of a session, in real units: tokens of a transformer, or the one
    /// bag of a classifier.
    ///
    /// # Errors
    /// Features that the circuit does not have.
    ///
    /// # Panics
    /// If there are more inputs than the circuit has positions.
    pub fn outputs(
        &mut self,
        circuit: &Circuit,
        inputs: &[Bag],
    ) -> Result<Vec<Vec<f64>>, CircuitError> {
        let mut state = State::new(circuit);
        let step = |bag| {
            let torus = evaluate_next(circuit, self, &mut state, bag, &())?;
            Ok(circuit.scores(&torus))
        };
        inputs.iter().map(step).collect()
    }

    fn noise(&mut self, variance: f64) -> f64 {
        self.random.as_mut().map_or(0.0, |random| {
            let unit: f64 = StandardNormal.sample(random);
            unit * variance.sqrt()
        })
    }

    /// The values with the noise that is known of the node's outputs.
    fn noisy(&mut self, at: At<'_>, mut values: Vec<f64>) -> Vec<f64> {
        for (value, known) in values.iter_mut().zip(&at.node.values) {
            *value += self.noise(known.variance);
        }
        values
    }

    /// What a table has for this torus value, noise of the way to it included.
    fn look_up(&mut self, at: At<'_>, torus: f64, table: impl Fn(f64) -> f64) -> f64 {
        if self.random.is_none() {
            return table(torus);
        }
        let noisy = torus + self.noise(at.parameters.lut_input_variance());
        apply_table(noisy, at.parameters.bootstrap_polynomial_size, table)
    }
}

impl Engine for Plain {
    type Input = Bag;
    type Scalars = Vec<f64>;
    type Packed = PlainPacked;
    type Response = Vec<f64>;
    type Error = CircuitError;

    fn concat(&mut self, parts: &[&Vec<f64>]) -> Vec<f64> {
        parts.iter().flat_map(|part| part.iter().copied()).collect()
    }

    fn lookup(&mut self, at: At<'_>, bag: &Bag) -> Result<Vec<f64>, CircuitError> {
        let values = lookup(at, bag)?;
        Ok(self.noisy(at, values))
    }

    fn linear(
        &mut self,
        weights: &IntMatrix,
        bias: &[f64],
        values: &Vec<f64>,
    ) -> Result<Vec<f64>, CircuitError> {
        let row = |row: usize| {
            let terms = weights.row(row).iter().zip(values);
            bias[row] + terms.map(|(&w, x)| f64::from(w) * x).sum::<f64>()
        };
        Ok((0..weights.rows()).map(row).collect())
    }

    fn lut(
        &mut self,
        at: At<'_>,
        cells: &[LutCell],
        precision: Precision,
        values: &Vec<f64>,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<f64>, CircuitError> {
        let variance = at.parameters.lut_output_variance(precision);
        let outputs = cells.iter().zip(values).map(|(cell, &value)| {
            self.look_up(at, value, |x| cell.apply(x)) + self.noise(variance)
        });
        let outputs = outputs.collect();
        done(cells.len());
        Ok(outputs)
    }

    /// The scale's own noise is in `scales`; what packing it and the blind rotation add is drawn.
    fn scaled_lut(
        &mut self,
        at: At<'_>,
        levels: u32,
        precision: Precision,
        values: &Vec<f64>,
        scales: &Vec<f64>,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<f64>, CircuitError> {
        let parameters = at.parameters;
        let variance = parameters.scaled_lut_output_variance(levels, precision, 0.0);
        let group = values.len() / scales.len();
        let outputs = values.iter().enumerate().map(|(i, &value)| {
            let level = self.look_up(at, value, |x| scaled_level(x, levels));
            scales[i / group] * level + self.noise(variance)
        });
        let outputs = outputs.collect();
        done(values.len());
        Ok(outputs)
    }

    fn pack(
        &mut self,
        from: &[usize],
        slots: &[usize],
        values: &Vec<f64>,
    ) -> Result<PlainPacked, CircuitError> {
        let chosen = from.iter().map(|&i| values[i]);
        Ok(slots.iter().copied().zip(chosen).collect())
    }

    fn append(
        &mut self,
        at: At<'_>,
        shift: usize,
        kept: Option<&PlainPacked>,
        new: &PlainPacked,
    ) -> Result<PlainPacked, CircuitError> {
        let shifted = new.iter().map(|&(slot, x)| {
            let (slot, sign) = reduce(slot + shift, at.parameters.ring_dimension);
            (slot, sign * x)
        });
        Ok(kept.into_iter().flatten().copied().chain(shifted).collect())
    }

    /// The noise of both factors, packing included, comes in here: each meets the other's
    /// wrap-around, which makes it far larger than where it stood.
    fn product(
        &mut self,
        at: At<'_>,
        modulus: u64,
        outputs: &[usize],
        factors: [&PlainPacked; 2],
    ) -> Result<Vec<f64>, CircuitError> {
        let values = product(at.parameters.ring_dimension, modulus, outputs, factors);
        Ok(self.noisy(at, values))
    }

    fn respond(
        &mut self,
        at: At<'_>,
        flood: &[f64],
        values: &Vec<f64>,
    ) -> Result<Vec<f64>, CircuitError> {
        if self.random.is_none() {
            return Ok(values.clone());
        }
        let added = at.parameters.output_variance();
        let noisy = values.iter().zip(flood);
        let noisy = noisy.map(|(&value, flood)| wrap(value + self.noise(added + flood)));
        Ok(noisy.collect())
    }
}

/// What a blind rotation returns for this torus value: the table has one cell for each 1/(2N) of the
/// half torus starting at -1/4, and the other half holds the same values negated.
fn apply_table(torus: f64, polynomial_size: usize, table: impl Fn(f64) -> f64) -> f64 {
    let shifted = (torus + 0.25).rem_euclid(1.0);
    let (position, sign) = if shifted < 0.5 {
        (shifted, 1.0)
    } else {
        (shifted - 0.5, -1.0)
    };
    let index = (position * 2.0 * polynomial_size as f64).floor() as usize;
    sign * table(cell_centre(index, polynomial_size))
}

/// The representative in [-1/2, 1/2).
fn wrap(torus: f64) -> f64 {
    torus - (torus + 0.5).floor()
}

fn lookup(at: At<'_>, bag: &Bag) -> Result<Vec<f64>, CircuitError> {
    let Op::Lookup {
        table,
        multiplier,
        input_scale,
    } = &at.node.op
    else {
        unreachable!("the interpreter asks for lookups at lookups");
    };
    let mut sums = vec![0i64; table.columns()];
    for &feature in bag.features() {
        if feature >= table.rows() {
            return Err(CircuitError::Input {
                reason: format!("feature {feature} is not below {}", table.rows()),
            });
        }
        for (sum, &entry) in sums.iter_mut().zip(table.row(feature)) {
            *sum += i64::from(entry);
        }
    }
    let unit = bag.weight() * input_scale * f64::from(*multiplier);
    Ok(sums.iter().map(|&sum| sum as f64 * unit).collect())
}

fn product(
    dimension: usize,
    modulus: u64,
    outputs: &[usize],
    [a, b]: [&PlainPacked; 2],
) -> Vec<f64> {
    let mut coefficients = vec![0.0; dimension];
    for &(i, x) in a {
        for &(j, y) in b {
            let (slot, sign) = reduce(i + j, dimension);
            coefficients[slot] += sign * x * y;
        }
    }
    let value = |&slot: &usize| modulus as f64 * coefficients[slot];
    outputs.iter().map(value).collect()
}

/// X^exponent modulo X^N + 1: the exponent below N, and the sign.
fn reduce(exponent: usize, dimension: usize) -> (usize, f64) {
    let wraps = exponent / dimension;
    let sign = if wraps.is_multiple_of(2) { 1.0 } else { -1.0 };
    (exponent % dimension, sign)
}
