//! The two evaluators without ciphertexts: the oracle, and the same with the noise to expect.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

use crate::error::CircuitError;
use crate::evaluate::{At, Engine};
use crate::features::Bag;
use crate::graph::{IntMatrix, LutCell, Op, cell_centre};
use crate::tables::scaled_level;

/// Values at coefficients of a ring element; all other coefficients are 0.
pub type PlainPacked = Vec<(usize, f64)>;

/// Torus values in `f64`, without noise: the oracle that everything else is compared with.
#[derive(Debug, Default)]
pub struct Reference;

impl Engine for Reference {
    type Input = Bag;
    type Scalars = Vec<f64>;
    type Packed = PlainPacked;
    type Response = Vec<f64>;
    type Error = CircuitError;

    fn concat(&mut self, parts: &[&Vec<f64>]) -> Vec<f64> {
        concat(parts)
    }

    fn lookup(&mut self, at: At<'_>, bag: &Bag) -> Result<Vec<f64>, CircuitError> {
        lookup(at, bag)
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

    fn scaled_lut(
        &mut self,
        _at: At<'_>,
        levels: u32,
        values: &Vec<f64>,
        scales: &Vec<f64>,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<f64>, CircuitError> {
        done(values.len());
        let level = |x: f64| scaled_level(x, levels);
        Ok(scaled(values, scales, level))
    }

    fn pack(
        &mut self,
        from: &[usize],
        slots: &[usize],
        values: &Vec<f64>,
    ) -> Result<PlainPacked, CircuitError> {
        Ok(pack(from, slots, values))
    }

    fn append(
        &mut self,
        at: At<'_>,
        shift: usize,
        kept: Option<&PlainPacked>,
        new: &PlainPacked,
    ) -> Result<PlainPacked, CircuitError> {
        Ok(append(at, shift, kept, new))
    }

    fn product(
        &mut self,
        at: At<'_>,
        modulus: u64,
        outputs: &[usize],
        factors: [&PlainPacked; 2],
    ) -> Result<Vec<f64>, CircuitError> {
        Ok(product(at, modulus, outputs, factors))
    }

    fn respond(&mut self, _at: At<'_>, values: &Vec<f64>) -> Result<Vec<f64>, CircuitError> {
        Ok(values.clone())
    }
}

/// The reference plus noise drawn from the predicted distribution, wrapping at the end of the torus
/// and cutting tables into cells as ciphertexts do: the accuracy that users will get, fast.
#[derive(Debug)]
pub struct Simulate {
    random: StdRng,
}

impl Simulate {
    /// A simulation that its seed repeats.
    pub fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
        }
    }

    fn noise(&mut self, variance: f64) -> f64 {
        let unit: f64 = StandardNormal.sample(&mut self.random);
        unit * variance.sqrt()
    }

    /// What comes out of a blind rotation by this torus value: the table's value there, and noise.
    fn rotate(
        &mut self,
        at: At<'_>,
        torus: f64,
        output_variance: f64,
        table: impl Fn(f64) -> f64,
    ) -> f64 {
        let noisy = torus + self.noise(at.parameters.lut_input_variance());
        let output = apply_table(noisy, at.parameters.bootstrap_polynomial_size, table);
        output + self.noise(output_variance)
    }
}

impl Engine for Simulate {
    type Input = Bag;
    type Scalars = Vec<f64>;
    type Packed = PlainPacked;
    type Response = Vec<f64>;
    type Error = CircuitError;

    fn concat(&mut self, parts: &[&Vec<f64>]) -> Vec<f64> {
        concat(parts)
    }

    fn lookup(&mut self, at: At<'_>, bag: &Bag) -> Result<Vec<f64>, CircuitError> {
        let mut values = lookup(at, bag)?;
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
        at: At<'_>,
        cells: &[LutCell],
        values: &Vec<f64>,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<f64>, CircuitError> {
        let variance = at.parameters.lut_output_variance();
        let outputs = cells
            .iter()
            .zip(values)
            .map(|(cell, &value)| self.rotate(at, value, variance, |x| cell.apply(x)))
            .collect();
        done(cells.len());
        Ok(outputs)
    }

    fn scaled_lut(
        &mut self,
        at: At<'_>,
        levels: u32,
        values: &Vec<f64>,
        scales: &Vec<f64>,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<f64>, CircuitError> {
        // The scale's own noise is in `scales`; what packing it and the blind rotation add is drawn.
        let variance = at.parameters.scaled_lut_output_variance(levels, 0.0);
        let mut level = |x: f64| self.rotate(at, x, 0.0, |x| scaled_level(x, levels));
        let mut outputs = scaled(values, scales, &mut level);
        for output in &mut outputs {
            *output += self.noise(variance);
        }
        done(values.len());
        Ok(outputs)
    }

    fn pack(
        &mut self,
        from: &[usize],
        slots: &[usize],
        values: &Vec<f64>,
    ) -> Result<PlainPacked, CircuitError> {
        Ok(pack(from, slots, values))
    }

    fn append(
        &mut self,
        at: At<'_>,
        shift: usize,
        kept: Option<&PlainPacked>,
        new: &PlainPacked,
    ) -> Result<PlainPacked, CircuitError> {
        Ok(append(at, shift, kept, new))
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
        let mut values = product(at, modulus, outputs, factors);
        for (value, known) in values.iter_mut().zip(&at.node.values) {
            *value += self.noise(known.variance);
        }
        Ok(values)
    }

    fn respond(&mut self, at: At<'_>, values: &Vec<f64>) -> Result<Vec<f64>, CircuitError> {
        let added = at.parameters.output_variance();
        Ok(values
            .iter()
            .map(|&value| wrap(value + self.noise(added)))
            .collect())
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

fn concat(parts: &[&Vec<f64>]) -> Vec<f64> {
    parts.iter().flat_map(|part| part.iter().copied()).collect()
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

fn linear(weights: &IntMatrix, bias: &[f64], values: &[f64]) -> Vec<f64> {
    (0..weights.rows())
        .map(|row| {
            let terms = weights.row(row).iter().zip(values);
            bias[row] + terms.map(|(&w, x)| f64::from(w) * x).sum::<f64>()
        })
        .collect()
}

fn scaled(values: &[f64], scales: &[f64], mut level: impl FnMut(f64) -> f64) -> Vec<f64> {
    let group = values.len() / scales.len();
    let scale = |index: usize| scales[index / group];
    let outputs = values.iter().enumerate();
    outputs.map(|(i, &x)| scale(i) * level(x)).collect()
}

fn pack(from: &[usize], slots: &[usize], values: &[f64]) -> PlainPacked {
    let chosen = from.iter().map(|&i| values[i]);
    slots.iter().copied().zip(chosen).collect()
}

fn append(at: At<'_>, shift: usize, kept: Option<&PlainPacked>, new: &PlainPacked) -> PlainPacked {
    let dimension = at.parameters.ring_dimension;
    let shifted = new.iter().map(|&(slot, x)| {
        let (slot, sign) = reduce(slot + shift, dimension);
        (slot, sign * x)
    });
    kept.into_iter().flatten().copied().chain(shifted).collect()
}

fn product(at: At<'_>, modulus: u64, outputs: &[usize], factors: [&PlainPacked; 2]) -> Vec<f64> {
    let dimension = at.parameters.ring_dimension;
    let [a, b] = factors;
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
