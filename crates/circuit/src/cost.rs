//! How long operations take on one core, from the number of their multiplications.

use serde::Serialize;

use crate::graph::{Node, Op};
use crate::parameters::{Decomposition, ParameterSet, Precision};

/// Speed of one core.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Speed {
    /// Seconds a point and level of an FFT.
    pub fft: f64,
    /// Seconds a complex multiplication of a point by a key, in the blind rotation.
    pub product: f64,
    /// Seconds a multiplication of a 64-bit number in a linear layer.
    pub linear: f64,
}

/// One core of the reference machine, a 2.9 GHz AMD EPYC of 2021 (Zen 3, AVX2).
pub const REFERENCE: Speed = Speed {
    fft: 1.6e-10,
    product: 3.3e-10,
    linear: 2.5e-10,
};

/// What an operation consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Points times levels of FFTs.
    pub fft: f64,
    /// Complex multiplications by keys and tables.
    pub product: f64,
    /// Multiplications in linear layers.
    pub linear: f64,
}

impl Work {
    /// Its time on one core.
    pub fn seconds(self, speed: &Speed) -> f64 {
        self.fft * speed.fft + self.product * speed.product + self.linear * speed.linear
    }

    /// Floating-point operations: five a point and level, eight a complex multiplication.
    pub fn flops(self) -> f64 {
        5.0 * self.fft + 8.0 * self.product
    }

    fn plus(self, other: Self) -> Self {
        Self {
            fft: self.fft + other.fft,
            product: self.product + other.product,
            linear: self.linear + other.linear,
        }
    }

    fn times(self, count: usize) -> Self {
        let count = count as f64;
        Self {
            fft: count * self.fft,
            product: count * self.product,
            linear: count * self.linear,
        }
    }
}

/// FFTs of real polynomials, and products of them point by point.
fn ring(size: usize, ffts: usize, products: usize) -> Work {
    let points = (size / 2) as f64;
    Work {
        fft: ffts as f64 * points * points.log2(),
        product: products as f64 * points,
        linear: 0.0,
    }
}

impl ParameterSet {
    /// One LUT: key switch and blind rotation.
    pub fn lut_work(&self, precision: Precision) -> Work {
        let Decomposition { levels, .. } = self.lut_decomposition(precision);
        let (rows, columns) = (levels as usize, self.bootstrap_glwe_dimension + 1);
        let products = self.lwe_block * columns * (rows * columns + 1);
        let block = ring(self.bootstrap_polynomial_size, (rows + 1) * columns, products);
        let size = self.key_switch_polynomial_size();
        let digits = self.ring_dimension / size * self.key_switch.levels as usize;
        let rotation = block.times(self.lwe_dimension / self.lwe_block);
        rotation.plus(ring(size, digits + 1, digits))
    }

    /// One automorphism, with its key switch.
    pub fn automorphism_work(&self) -> Work {
        let levels = self.ring_key_switch.levels as usize;
        ring(self.ring_dimension, levels + 2, 2 * levels)
    }

    /// Packing: every value but one is merged with another by an automorphism; log2 of N over their number more clear the
    /// other slots.
    pub fn pack_work(&self, values: usize) -> Work {
        let values = values.max(1).next_power_of_two();
        let steps = (self.ring_dimension / values.min(self.ring_dimension)).ilog2() as usize;
        self.automorphism_work().times(values - 1 + steps)
    }

    /// A product of two packed ciphertexts.
    pub fn product_work(&self) -> Work {
        let levels = self.ring_key_switch.levels as usize;
        ring(self.ring_dimension, 8 + levels, 4 + 2 * levels)
    }

    /// A clear table times encrypted polynomials: both halves of mask and body, for every column.
    fn lookup_work(&self, columns: usize, blocks: usize) -> Work {
        let each = ring(self.ring_dimension, 4, 4 * blocks).times(columns);
        each.plus(ring(self.ring_dimension, 4 * blocks, 0))
    }
}

/// What an operation of a circuit consists of.
pub(crate) fn work(node: &Node, nodes: &[Node], parameters: &ParameterSet) -> Work {
    let inputs = || node.inputs.iter().map(|id| nodes[id.0].values.len());
    match &node.op {
        Op::Lookup { table, .. } => {
            let blocks = table.rows().div_ceil(parameters.ring_dimension);
            parameters.lookup_work(table.columns(), blocks)
        }
        Op::Linear { .. } => {
            let multiplications = node.values.len() * inputs().sum::<usize>();
            let linear = (multiplications * (parameters.ring_dimension + 1)) as f64;
            Work { linear, ..Work::default() }
        }
        Op::Lut { precision, .. } => parameters.lut_work(*precision).times(node.luts()),
        Op::ScaledLut { precision, .. } => {
            let scales = node.ring_products(parameters.ring_dimension);
            let table = parameters.pack_work(1).plus(parameters.lookup_work(1, 1));
            let luts = parameters.lut_work(*precision).times(node.luts());
            luts.plus(table.times(scales))
        }
        Op::Pack { slots, .. } => parameters.pack_work(slots.len()),
        Op::Product { .. } => parameters.product_work(),
        Op::Response => parameters.pack_work(inputs().sum()),
        Op::Append { .. } => Work::default(),
    }
}
