//! What an evaluation costs and how sure its result is, before anything is encrypted.

use serde::Serialize;

use crate::circuit::Circuit;
use crate::cost::{self, Speed};
use crate::graph::{Node, Op, Value};
use crate::lower::{LUT_HALF_RANGE, RESPONSE_HALF_RANGE};
use crate::noise::failure_log2;
use crate::parameters::{
    KEY_SWITCH_BODY_BITS, PUBLIC_KEY_BODY_BITS, ParameterSet, Precision, REQUEST_BODY_BITS,
    RING_KEY_BODY_BITS,
};

/// Predicted cost and noise of one layer.
#[derive(Clone, Debug, Serialize)]
pub struct LayerEstimate {
    /// The layer's name.
    pub name: String,
    /// What it does, in a word.
    pub operation: &'static str,
    /// How many values it makes.
    pub values: usize,
    /// Programmable bootstraps.
    pub luts: usize,
    /// Ring products, clear x encrypted and encrypted x encrypted.
    pub ring_products: usize,
    /// For LUTs and the response: the largest standard deviation of the noise at an input, as a fraction of the range.
    pub input_noise: Option<f64>,
    /// For LUTs and the response: log2 of the largest probability that noise passes the guard band.
    pub failure_log2: Option<f64>,
    /// Predicted time on one core.
    pub seconds: f64,
}

/// Predicted cost and noise of a circuit.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    /// Programmable bootstraps of the last position, which costs most.
    pub luts: usize,
    /// Programmable bootstraps of every position of a session.
    pub luts_per_position: Vec<usize>,
    /// Ring products of the last position.
    pub ring_products: usize,
    /// Size of the evaluation key as sent, but for less than a kilobyte of framing.
    pub evaluation_key_bytes: usize,
    /// Size of a request as sent, but for less than a kilobyte of framing.
    pub request_bytes: usize,
    /// Size of a response as sent, but for less than a kilobyte of framing.
    pub response_bytes: usize,
    /// Time of an evaluation on one core: of the reference machine, or of the one that was measured.
    pub predicted_seconds_per_core: f64,
    /// Speed of that core, relative to the reference machine's.
    pub speed: Speed,
    /// Bits of security of the parameter set.
    pub security_bits: u32,
    /// Largest standard deviation of the noise at a LUT input of any position, as a fraction of its range.
    pub worst_input_noise: f64,
    /// log2 of the largest probability, at any position, that noise carries a value that is within its bound past
    /// its guard band.
    pub worst_failure_log2: f64,
    /// Layer by layer.
    pub layers: Vec<LayerEstimate>,
}

/// Predicts cost and noise of a circuit, on the reference machine.
pub fn estimate(circuit: &Circuit) -> Estimate {
    estimate_at(circuit, &cost::REFERENCE)
}

/// Predicts cost and noise of a circuit, on a core of this speed.
pub fn estimate_at(circuit: &Circuit, speed: &Speed) -> Estimate {
    let parameters = circuit.parameters();
    let positions = circuit.positions();
    let nodes = circuit.nodes(positions - 1);
    let each = nodes
        .iter()
        .map(|node| layer(node, nodes, parameters, speed));
    let layers = merged(each);
    let manifest = circuit.manifest();
    Estimate {
        luts: circuit.luts(positions - 1),
        luts_per_position: (0..positions).map(|p| circuit.luts(p)).collect(),
        ring_products: circuit.ring_products(positions - 1),
        evaluation_key_bytes: parameters.evaluation_key_bytes(),
        request_bytes: parameters.request_bytes(manifest.input.entries),
        response_bytes: parameters.response_bytes(manifest.output.labels.len()),
        predicted_seconds_per_core: layers.iter().map(|layer| layer.seconds).sum(),
        speed: *speed,
        security_bits: parameters.security_bits,
        worst_input_noise: worst(circuit, |layer| {
            layer.input_noise.filter(|_| layer.luts > 0)
        }),
        worst_failure_log2: worst(circuit, |layer| layer.failure_log2),
        layers,
    }
}

/// The largest figure of any layer at any position.
fn worst(circuit: &Circuit, figure: impl Fn(LayerEstimate) -> Option<f64>) -> f64 {
    let positions = (0..circuit.positions()).map(|position| circuit.nodes(position));
    let layers = positions.flat_map(|nodes| {
        let parameters = circuit.parameters();
        let speed = &cost::REFERENCE;
        nodes
            .iter()
            .map(move |node| layer(node, nodes, parameters, speed))
    });
    layers.filter_map(figure).fold(f64::NEG_INFINITY, f64::max)
}

/// Heads do the same thing side by side: one row for operations of the same name and kind.
fn merged(layers: impl Iterator<Item = LayerEstimate>) -> Vec<LayerEstimate> {
    let mut rows: Vec<LayerEstimate> = Vec::new();
    for layer in layers {
        let same =
            |row: &&mut LayerEstimate| (&row.name, row.operation) == (&layer.name, layer.operation);
        match rows.iter_mut().find(same) {
            Some(row) => row.absorb(&layer),
            None => rows.push(layer),
        }
    }
    rows
}

fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).reduce(f64::max)
}

impl LayerEstimate {
    fn absorb(&mut self, other: &Self) {
        self.values += other.values;
        self.luts += other.luts;
        self.ring_products += other.ring_products;
        self.seconds += other.seconds;
        self.input_noise = larger(self.input_noise, other.input_noise);
        self.failure_log2 = larger(self.failure_log2, other.failure_log2);
    }
}

/// log2 of the largest probability that noise carries an input of this LUT, or a value of this
/// response, past its guard band; `None` for operations that have none.
pub(crate) fn worst_failure(node: &Node, nodes: &[Node], parameters: &ParameterSet) -> Option<f64> {
    let (half_range, added) = added(node, parameters)?;
    let failures = ranged(node, nodes)
        .into_iter()
        .map(|value| failure_log2(half_range - value.bound, (value.variance + added).sqrt()));
    // Unlike `f64::max`, this keeps a NaN.
    Some(failures.fold(
        f64::NEG_INFINITY,
        |worst, x| if x <= worst { worst } else { x },
    ))
}

/// Half of the range that inputs must stay in, and the variance that the operation itself adds to them.
fn added(node: &Node, parameters: &ParameterSet) -> Option<(f64, f64)> {
    match &node.op {
        Op::Lut { .. } | Op::ScaledLut { .. } => {
            Some((LUT_HALF_RANGE, parameters.lut_input_variance()))
        }
        Op::Response { .. } => Some((RESPONSE_HALF_RANGE, 0.0)),
        _ => None,
    }
}

/// The values that must stay in a range: all inputs but the scales of a scaled LUT, which are only multiplied; of a
/// response what is sent, with all its noise.
fn ranged<'a>(node: &'a Node, nodes: &'a [Node]) -> Vec<&'a Value> {
    let count = match node.op {
        Op::ScaledLut { .. } => node.inputs.len() - 1,
        Op::Response { .. } => return node.values.iter().collect(),
        _ => node.inputs.len(),
    };
    let inputs = node.inputs[..count].iter();
    inputs.flat_map(|id| &nodes[id.0].values).collect()
}

fn layer(node: &Node, nodes: &[Node], parameters: &ParameterSet, speed: &Speed) -> LayerEstimate {
    let input_noise = added(node, parameters).map(|(half_range, added)| {
        let variances = ranged(node, nodes).into_iter().map(|value| value.variance);
        (variances.fold(0.0, f64::max) + added).sqrt() / (2.0 * half_range)
    });
    let luts = node.luts();
    let ring_products = node.ring_products(parameters.ring_dimension);
    LayerEstimate {
        name: node.name.clone(),
        operation: match node.op {
            Op::Lookup { .. } => "lookup",
            Op::Linear { .. } => "linear",
            Op::Lut {
                precision: Precision::Full,
                ..
            } => "lut",
            Op::Lut {
                precision: Precision::Coarse,
                ..
            } => "coarse lut",
            Op::ScaledLut {
                precision: Precision::Full,
                ..
            } => "scaled lut",
            Op::ScaledLut {
                precision: Precision::Coarse,
                ..
            } => "coarse scaled lut",
            Op::Pack { .. } => "pack",
            Op::Append { .. } => "append",
            Op::Product { .. } => "product",
            Op::Response { .. } => "response",
        },
        values: node.values.len(),
        luts,
        ring_products,
        input_noise,
        failure_log2: worst_failure(node, nodes, parameters),
        seconds: cost::seconds(node, nodes, parameters, speed),
    }
}

impl ParameterSet {
    /// Body coefficients of a bootstrapping key: n GGSW of `levels * (k + 1)` polynomials.
    pub fn bootstrap_key_bodies(&self) -> usize {
        self.lwe_dimension
            * self.bootstrap.levels as usize
            * (self.bootstrap_glwe_dimension + 1)
            * self.bootstrap_polynomial_size
    }

    /// Body coefficients of a key-switching key.
    pub fn key_switch_key_bodies(&self) -> usize {
        self.ring_dimension * self.key_switch.levels as usize
    }

    /// Body coefficients of one packing key, or of the product key.
    pub fn ring_key_bodies(&self) -> usize {
        self.ring_dimension * self.ring_key_switch.levels as usize
    }

    /// Size of a seeded evaluation key: masks are expanded from a seed, so only bodies count, each rounded.
    pub fn evaluation_key_bytes(&self) -> usize {
        let packed = |bodies: usize, bits: u32| 8 * (bodies * bits as usize).div_ceil(64);
        // One for each automorphism of packing.
        let packing = self.ring_dimension.ilog2() as usize;
        packed(self.bootstrap_key_bodies(), self.key_body_bits)
            + packed(self.key_switch_key_bodies(), KEY_SWITCH_BODY_BITS)
            + packed(packing * self.ring_key_bodies(), RING_KEY_BODY_BITS)
            + packed(self.ring_key_bodies(), RING_KEY_BODY_BITS)
            + packed(self.ring_dimension, PUBLIC_KEY_BODY_BITS)
    }

    /// Size of an encrypted bag over this many entries, seeded.
    pub fn request_bytes(&self, entries: usize) -> usize {
        entries.next_multiple_of(self.ring_dimension) * REQUEST_BODY_BITS as usize / 8
    }

    /// Size of a response of this many values: a whole mask, and a body for each value.
    pub fn response_bytes(&self, values: usize) -> usize {
        ((self.ring_dimension + values) * self.response_modulus_log as usize).div_ceil(8)
    }
}
