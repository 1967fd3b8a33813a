//! The lowered circuit: a list of primitive operations on fixed-point torus values.
//!
//! A value x of range [-r, r] is held as the torus element `x * scale`, `scale` chosen so that the
//! range fills as much of the torus as noise allows. Ciphertexts carry that value plus noise.

use crate::function::Function;
pub use crate::matrix::Matrix;
use crate::parameters::Precision;

/// A node's index in the circuit's list; inputs always come before their users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(pub usize);

/// A matrix of small integers.
pub type IntMatrix = Matrix<i8>;

/// What is known of one value before anything is evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// Torus units per real unit.
    pub scale: f64,
    /// The noiseless value does not exceed this absolute value on the torus: for no input, or, in a
    /// transformer, for none like those of calibration.
    pub bound: f64,
    /// Variance of the noise it carries, as a fraction of the torus, squared; behind a LUT, what the LUT adds,
    /// not what it makes of the noise of its input.
    pub variance: f64,
}

/// One function in one LUT: torus in, torus out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LutCell {
    /// What is evaluated, on real numbers.
    pub function: Function,
    /// Torus units per real unit at the input.
    pub input_scale: f64,
    /// Added to the real input; costs neither range nor noise, as it lives in the table.
    pub input_bias: f64,
    /// Torus units per real unit at the output.
    pub output_scale: f64,
    /// Whether the function's value is rounded to an integer: products need operands on a grid.
    pub rounded: bool,
}

impl LutCell {
    /// The table's value for a torus input in [-1/4, 1/4).
    pub fn apply(&self, torus: f64) -> f64 {
        let real = torus / self.input_scale + self.input_bias;
        let value = self.function.evaluate(real);
        self.output_scale * if self.rounded { value.round() } else { value }
    }
}

/// The torus value at the centre of a LUT table's cell: cell i of N stands for inputs of
/// [i, i + 1) / 2N - 1/4.
pub fn cell_centre(index: usize, cells: usize) -> f64 {
    (index as f64 + 0.5) / (2.0 * cells as f64) - 0.25
}

/// A primitive operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Clear table \[entries x width\] times the client's encrypted bag: `width` values. The bag has
    /// one coefficient per vocabulary entry, over as many ring ciphertexts as that takes. No
    /// bootstrap; one ring product per column and ring ciphertext.
    Lookup {
        /// Row v holds the embedding of vocabulary entry v.
        table: IntMatrix,
        /// Multiplies every entry of the table.
        multiplier: u32,
        /// Torus units for a weight of 1 in the bag.
        input_scale: f64,
    },
    /// Integer weights \[out x in\] times values, plus constants. No bootstrap, no ring product.
    Linear {
        /// Row i makes output i.
        weights: IntMatrix,
        /// Torus constants added to the outputs.
        bias: Vec<f64>,
    },
    /// One programmable bootstrap per value.
    Lut {
        /// The function of each value.
        cells: Vec<LutCell>,
        /// Of the outputs.
        precision: Precision,
    },
    /// Values times encrypted scales: the last input's g values scale g equal groups of the others, and
    /// output i is its group's scale times [`scaled_level`](crate::tables::scaled_level) of input i. One
    /// programmable bootstrap per value, whose table is the encrypted scale times the clear levels: one ring
    /// product a scale.
    ScaledLut {
        /// How many levels either side of 0 the input range is cut into.
        levels: u32,
        /// g.
        scales: usize,
        /// Of the outputs.
        precision: Precision,
    },
    /// Packs values into one ring ciphertext.
    Pack {
        /// Which of the input's values.
        from: Vec<usize>,
        /// The coefficient for each of them; all others are 0.
        slots: Vec<usize>,
    },
    /// Adds a ring ciphertext times `X^shift` to one that the session keeps; the sum is the output, and
    /// is kept for the next position.
    Append {
        /// Which of the session's ciphertexts.
        cache: usize,
        /// The exponent.
        shift: usize,
    },
    /// The product of two ring ciphertexts whose coefficients are integers over `modulus`, likewise.
    /// One encrypted x encrypted ring product, no bootstrap.
    Product {
        /// t: u / t times v / t gives u v / t.
        modulus: u64,
        /// The coefficients of the product that become values.
        outputs: Vec<usize>,
    },
    /// Packs the values into one ring ciphertext, makes it one that nothing can be told of but its values,
    /// adds noise to these and rounds it all, to be sent to the client.
    Response {
        /// The variance of the noise that is added to each value.
        flood: Vec<f64>,
    },
}

/// One operation with what is known of its outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The layer it comes from.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// The nodes it works on, in order; none for one that works on the client's input alone. Operations
    /// on values take several nodes' values one after the other.
    pub inputs: Vec<NodeId>,
    /// Its outputs, if they are values; none if it is a ring ciphertext.
    pub values: Vec<Value>,
    /// Of a ring ciphertext: the variance of its noise, summed over all coefficients.
    pub energy: f64,
}

impl Node {
    /// How many LUTs it costs.
    pub fn luts(&self) -> usize {
        match &self.op {
            Op::Lut { .. } | Op::ScaledLut { .. } => self.values.len(),
            _ => 0,
        }
    }

    /// Of its LUTs' outputs, if it has any.
    pub fn precision(&self) -> Option<Precision> {
        match self.op {
            Op::Lut { precision, .. } | Op::ScaledLut { precision, .. } => Some(precision),
            _ => None,
        }
    }

    /// How many ring products it costs, clear x encrypted or encrypted x encrypted, on rings of this
    /// dimension.
    pub fn ring_products(&self, ring_dimension: usize) -> usize {
        match &self.op {
            Op::Lookup { table, .. } => table.rows().div_ceil(ring_dimension) * table.columns(),
            Op::ScaledLut { scales, .. } => *scales,
            Op::Product { .. } => 1,
            _ => 0,
        }
    }
}
