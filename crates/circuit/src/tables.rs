//! Tables that are multiplied by encrypted values: the same for all evaluators, and their noise.

use crate::graph::cell_centre;
use crate::parameters::{ParameterSet, Precision};

/// The integer in `[-levels, levels]` that a scaled LUT multiplies its scale by, for a torus input in
/// [-1/4, 1/4]: `4 * levels * torus`, rounded to the nearest, halves away from 0.
pub fn scaled_level(torus: f64, levels: u32) -> f64 {
    (4.0 * f64::from(levels) * torus).round()
}

impl ParameterSet {
    /// Of a scaled LUT's output, for the largest multiples of the scale, `±levels`; smaller ones have
    /// less. The scale is packed alone, so that the table meets its noise at every coefficient it reads.
    ///
    /// A later step of packing doubles what it leaves in place and removes the rest: the noise of step i
    /// stays on the multiples of `N / 2^i`, and nowhere else.
    pub fn scaled_lut_output_variance(
        &self,
        levels: u32,
        precision: Precision,
        scale_variance: f64,
    ) -> f64 {
        let depth = self.ring_dimension.ilog2();
        let table = self.level_polynomial(levels);
        let packed = (1..=depth).map(|step| {
            let stride = 1 << (depth - step);
            let (direct, through_mask) =
                self.ring_key_switch_parts(self.packing_mask_bits(step, 1));
            let (squares, common) = table_squares(&table, stride);
            // Key bits are 1/2 plus or minus 1/2: half of the variance that comes through the key is
            // common to the coefficients.
            let met = direct * squares + through_mask * (squares + common) / 2.0;
            (stride * stride) as f64 * met
        });
        let largest = f64::from(levels).powi(2);
        let own = scale_variance + self.packing_rounding_variance(1);
        largest * own + packed.sum::<f64>() + self.lut_output_variance(precision)
    }

    /// The table of a scaled LUT as a polynomial of the packing ring: the level of cell i at X^(k i).
    pub fn level_polynomial(&self, levels: u32) -> Vec<f64> {
        let cells = self.bootstrap_polynomial_size;
        let mut polynomial = vec![0.0; self.ring_dimension];
        let used = polynomial.iter_mut().step_by(self.bootstrap_glwe_dimension);
        for (cell, coefficient) in used.enumerate() {
            *coefficient = scaled_level(cell_centre(cell, cells), levels);
        }
        polynomial
    }
}

/// The sum of squares of every stride-th coefficient of a table, and the mean square of what they sum
/// up to when all of them meet one error of a mask through a key of ones: those above the
/// error's place minus those below.
fn table_squares(table: &[f64], stride: usize) -> (f64, f64) {
    let total: f64 = table.iter().step_by(stride).sum();
    let (mut squares, mut common, mut below) = (0.0, 0.0, 0.0);
    for (place, level) in table.iter().enumerate() {
        common += (total - 2.0 * below).powi(2) / table.len() as f64;
        if place % stride == 0 {
            squares += level * level;
            below += level;
        }
    }
    (squares, common)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_odd_and_reach_both_ends() {
        assert_eq!(scaled_level(-0.25, 7), -7.0);
        assert_eq!(scaled_level(0.25, 7), 7.0);
        assert_eq!(scaled_level(0.01, 7), 0.0);
        for i in -100..=100 {
            let torus = f64::from(i) / 400.0;
            assert_eq!(scaled_level(-torus, 5), -scaled_level(torus, 5));
        }
    }
}
