//! The two evaluators without ciphertexts: the oracle, and the same with the noise to expect.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

use crate::error::CircuitError;
use crate::evaluate::{At, Engine};
use crate::features::Bag;
use crate::graph::{IntMatrix, LutCell, cell_centre};
use crate::parameters::ParameterSet;

/// Torus values in `f64`, without noise: the oracle that everything else is compared with.
#[derive(Debug, Default)]
pub struct Reference;

impl Engine for Reference {
    type Input = Bag;
    type Scalars = Vec<f64>;
    type Response = Vec<f64>;
    type Error = CircuitError;

    fn lookup(
        &mut self,
        _at: At<'_>,
        table: &IntMatrix,
        input_scale: f64,
        bag: &Bag,
    ) -> Result<Vec<f64>, CircuitError> {
        lookup(table, input_scale, bag)
    }

    fn linear(
        &mut self,
        weights: &IntMatrix,
        bias: &[f64],
        values: &Vec<f64>,
    ) -> Result<Vec<f64>, CircuitError> {
        Ok(linear(weights, bias, values))
    }

    fn lut(
        &mut self,
        _at: At<'_>,
        cells: &[LutCell],
        values: &Vec<f64>,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<f64>, CircuitError> {
        let outputs = cells.iter().zip(values).map(|(cell, &x)| cell.apply(x));
        let outputs = outputs.collect();
        done(cells.len());
        Ok(outputs)
    }

    fn respond(&mut self, _at: At<'_>, values: &Vec<f64>) -> Result<Vec<f64>, CircuitError> {
        Ok(values.clone())
    }
}

/// The reference plus noise drawn from the predicted distribution, wrapping at the end of the torus
/// and cutting tables into cells as ciphertexts do: the accuracy that users will get, fast.
#[derive(Debug)]
pub struct Simulate {
    parameters: &'static ParameterSet,
    random: StdRng,
}

impl Simulate {
    /// A simulation of these parameters, repeatable by its seed.
    pub fn new(parameters: &'static ParameterSet, seed: u64) -> Self {
        Self {
            parameters,
            random: StdRng::seed_from_u64(seed),
        }
    }

    fn noise(&mut self, variance: f64) -> f64 {
        let unit: f64 = StandardNormal.sample(&mut self.random);
        unit * variance.sqrt()
    }
}

impl Engine for Simulate {
    type Input = Bag;
    type Scalars = Vec<f64>;
    type Response = Vec<f64>;
    type Error = CircuitError;

    fn lookup(
        &mut self,
        at: At<'_>,
        table: &IntMatrix,
        input_scale: f64,
        bag: &Bag,
    ) -> Result<Vec<f64>, CircuitError> {
        let mut values = lookup(table, input_scale, bag)?;
        for (value, known) in values.iter_mut().zip(&at.node.values) {
            *value += self.noise(known.variance);
        }
        Ok(values)
    }

    fn linear(
        &mut self,
        weights: &IntMatrix,
        bias: &[f64],
        values: &Vec<f64>,
    ) -> Result<Vec<f64>, CircuitError> {
        Ok(linear(weights, bias, values))
    }

    fn lut(
        &mut self,
        _at: At<'_>,
        cells: &[LutCell],
        values: &Vec<f64>,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<f64>, CircuitError> {
        let outputs = cells
            .iter()
            .zip(values)
            .map(|(cell, &value)| {
                let noisy = value + self.noise(self.parameters.lut_input_variance());
                let output = apply_table(cell, noisy, self.parameters.bootstrap_polynomial_size);
                output + self.noise(self.parameters.lut_output_variance())
            })
            .collect();
        done(cells.len());
        Ok(outputs)
    }

    fn respond(&mut self, _at: At<'_>, values: &Vec<f64>) -> Result<Vec<f64>, CircuitError> {
        let added = self.parameters.output_variance();
        Ok(values
            .iter()
            .map(|&value| wrap(value + self.noise(added)))
            .collect())
    }
}

/// What a blind rotation returns for this torus value: the table has one cell for each 1/(2N) of the
/// half torus starting at -1/4, and the other half holds the same values negated.
fn apply_table(cell: &LutCell, torus: f64, polynomial_size: usize) -> f64 {
    let shifted = (torus + 0.25).rem_euclid(1.0);
    let (position, sign) = if shifted < 0.5 {
        (shifted, 1.0)
    } else {
        (shifted - 0.5, -1.0)
    };
    let index = (position * 2.0 * polynomial_size as f64).floor() as usize;
    sign * cell.apply(cell_centre(index, polynomial_size))
}

/// The representative in [-1/2, 1/2).
fn wrap(torus: f64) -> f64 {
    torus - (torus + 0.5).floor()
}

fn lookup(table: &IntMatrix, input_scale: f64, bag: &Bag) -> Result<Vec<f64>, CircuitError> {
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
    let unit = bag.weight() * input_scale;
    Ok(sums.iter().map(|&sum| sum as f64 * unit).collect())
}

fn linear(weights: &IntMatrix, bias: &[f64], values: &[f64]) -> Vec<f64> {
    (0..weights.rows())
        .map(|row| {
            let terms = weights.row(row).iter().zip(values);
            bias[row] + terms.map(|(&w, x)| f64::from(w) * x).sum::<f64>()
        })
        .collect()
}
