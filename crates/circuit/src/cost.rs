//! How long operations take on one core, from the number of their multiplications.

use serde::Serialize;

use crate::graph::{Node, Op};
use crate::parameters::{Decomposition, ParameterSet, Precision};

/// Seconds a point and level of an FFT, on one core of the reference machine: a 2.9 GHz AMD EPYC of 2021 (Zen 3, AVX2).
const FFT: f64 = 1.55e-10;

/// Seconds a complex multiplication of a point by a key or a table, likewise.
const PRODUCT: f64 = 3.4e-10;

/// Seconds a multiplication of a 64-bit number in a linear layer, likewise.
const LINEAR: f64 = 2.5e-10;

/// Speed of one core, as time relative to a core of the reference machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Speed {
    /// Of LUTs.
    pub lut: f64,
    /// Of coarse LUTs.
    pub coarse_lut: f64,
    /// Of ring products, automorphisms and packing.
    pub ring: f64,
    /// Of linear layers.
    pub linear: f64,
}

/// The reference machine's own.
pub const REFERENCE: Speed = Speed {
    lut: 1.0,
    coarse_lut: 1.0,
    ring: 1.0,
    linear: 1.0,
};

impl Speed {
    /// Of LUTs of this precision.
    pub fn of_luts(&self, precision: Precision) -> f64 {
        match precision {
            Precision::Full => self.lut,
            Precision::Coarse => self.coarse_lut,
        }
    }
}

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
    /// Its time on one core of the reference machine.
    pub fn seconds(self) -> f64 {
        self.fft * FFT + self.product * PRODUCT + self.linear * LINEAR
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
    /// Time of one LUT on one core.
    pub fn lut_seconds(&self, precision: Precision, speed: &Speed) -> f64 {
        self.lut_work(precision).seconds() * speed.of_luts(precision)
    }

    /// One LUT: key switch and blind rotation.
    pub fn lut_work(&self, precision: Precision) -> Work {
        let Decomposition { levels, .. } = self.lut_decomposition(precision);
        let (rows, columns) = (levels as usize, self.bootstrap_glwe_dimension + 1);
        let products = self.lwe_block * columns * (rows * columns + 1);
        let block = ring(
            self.bootstrap_polynomial_size,
            (rows + 1) * columns,
            products,
        );
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

    /// A linear layer on values.
    pub fn linear_work(&self, outputs: usize, inputs: usize) -> Work {
        Work {
            linear: (outputs * inputs * (self.ring_dimension + 1)) as f64,
            ..Work::default()
        }
    }

    /// A clear table times encrypted polynomials: both halves of mask and body, for every column.
    fn lookup_work(&self, columns: usize, blocks: usize) -> Work {
        let each = ring(self.ring_dimension, 4, 4 * blocks).times(columns);
        each.plus(ring(self.ring_dimension, 4 * blocks, 0))
    }
}

/// Time of an operation of a circuit on one core.
pub(crate) fn seconds(
    node: &Node,
    nodes: &[Node],
    parameters: &ParameterSet,
    speed: &Speed,
) -> f64 {
    let inputs = || node.inputs.iter().map(|id| nodes[id.0].values.len());
    let luts = |precision| node.luts() as f64 * parameters.lut_seconds(precision, speed);
    let ring = |work: Work| work.seconds() * speed.ring;
    match &node.op {
        Op::Lookup { table, .. } => {
            let blocks = table.rows().div_ceil(parameters.ring_dimension);
            ring(parameters.lookup_work(table.columns(), blocks))
        }
        Op::Linear { .. } => {
            let work = parameters.linear_work(node.values.len(), inputs().sum());
            work.seconds() * speed.linear
        }
        Op::Lut { precision, .. } => luts(*precision),
        Op::ScaledLut { precision, .. } => {
            let scales = node.ring_products(parameters.ring_dimension);
            let table = parameters.pack_work(1).plus(parameters.lookup_work(1, 1));
            luts(*precision) + ring(table.times(scales))
        }
        Op::Pack { slots, .. } => ring(parameters.pack_work(slots.len())),
        Op::Product { .. } => ring(parameters.product_work()),
        Op::Response { .. } => ring(parameters.pack_work(inputs().sum())),
        Op::Append { .. } => 0.0,
    }
}
