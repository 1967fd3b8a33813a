//! What an evaluation costs and how sure its result is, before anything is encrypted.

use serde::Serialize;

use crate::circuit::Circuit;
use crate::graph::{Node, Op};
use crate::lower::{LUT_HALF_RANGE, RESPONSE_HALF_RANGE};
use crate::noise::failure_log2;
use crate::parameters::{ParameterSet, REQUEST_BODY_BITS};

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
    /// Clear x encrypted ring products.
    pub ring_products: usize,
    /// For LUTs: the largest standard deviation of the noise at an input, as a fraction of the range.
    pub input_noise: Option<f64>,
    /// For LUTs and the response: log2 of the largest probability that noise passes the guard band.
    pub failure_log2: Option<f64>,
    /// Predicted time on one core.
    pub seconds: f64,
}

/// Predicted cost and noise of a circuit.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    /// Programmable bootstraps.
    pub luts: usize,
    /// Clear x encrypted ring products.
    pub ring_products: usize,
    /// Size of the evaluation key as sent, but for less than a kilobyte of framing.
    pub evaluation_key_bytes: usize,
    /// Size of a request as sent, but for less than a kilobyte of framing.
    pub request_bytes: usize,
    /// Size of a response as sent, but for less than a kilobyte of framing.
    pub response_bytes: usize,
    /// Time of an evaluation on one core of the reference machine.
    pub predicted_seconds_per_core: f64,
    /// Bits of security of the parameter set.
    pub security_bits: u32,
    /// Largest standard deviation of the noise at a LUT input, as a fraction of its range.
    pub worst_input_noise: f64,
    /// log2 of the largest probability that noise carries a value past its guard band.
    pub worst_failure_log2: f64,
    /// Layer by layer.
    pub layers: Vec<LayerEstimate>,
}

/// Predicts cost and noise of a circuit.
pub fn estimate(circuit: &Circuit) -> Estimate {
    let parameters = circuit.parameters();
    let layers: Vec<LayerEstimate> = circuit
        .nodes()
        .iter()
        .map(|node| layer(node, circuit.nodes(), parameters))
        .collect();
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NEG_INFINITY, f64::max);
    let manifest = circuit.manifest();
    Estimate {
        luts: circuit.luts(),
        ring_products: circuit.ring_products(),
        evaluation_key_bytes: parameters.evaluation_key_bytes(),
        request_bytes: parameters.request_bytes(manifest.input.entries),
        response_bytes: parameters.response_bytes(manifest.output.labels.len()),
        predicted_seconds_per_core: layers.iter().map(|layer| layer.seconds).sum(),
        security_bits: parameters.security_bits,
        worst_input_noise: largest(&mut layers.iter().filter_map(|layer| layer.input_noise)),
        worst_failure_log2: largest(&mut layers.iter().filter_map(|layer| layer.failure_log2)),
        layers,
    }
}

/// log2 of the largest probability that noise carries an input of this LUT, or a value of this
/// response, past its guard band; `None` for operations that have none.
pub(crate) fn worst_failure(node: &Node, nodes: &[Node], parameters: &ParameterSet) -> Option<f64> {
    let (half_range, added) = match node.op {
        Op::Lut { .. } => (LUT_HALF_RANGE, parameters.lut_input_variance()),
        Op::Response => (RESPONSE_HALF_RANGE, parameters.output_variance()),
        Op::Lookup { .. } | Op::Linear { .. } => return None,
    };
    let inputs = &nodes[node.inputs.first()?.0].values;
    let failures = inputs
        .iter()
        .map(|value| failure_log2(half_range - value.bound, (value.variance + added).sqrt()));
    // Unlike `f64::max`, this keeps a NaN.
    Some(failures.fold(
        f64::NEG_INFINITY,
        |worst, x| if x <= worst { worst } else { x },
    ))
}

fn layer(node: &Node, nodes: &[Node], parameters: &ParameterSet) -> LayerEstimate {
    let input_noise = match (&node.op, node.inputs.as_slice()) {
        (Op::Lut { .. }, [source]) => {
            let variances = nodes[source.0].values.iter().map(|value| value.variance);
            let worst = variances.fold(0.0, f64::max) + parameters.lut_input_variance();
            Some(worst.sqrt() / (2.0 * LUT_HALF_RANGE))
        }
        _ => None,
    };
    let luts = node.luts();
    let ring_products = node.ring_products(parameters.ring_dimension);
    LayerEstimate {
        name: node.name.clone(),
        operation: match node.op {
            Op::Lookup { .. } => "lookup",
            Op::Linear { .. } => "linear",
            Op::Lut { .. } => "lut",
            Op::Response => "response",
        },
        values: node.values.len(),
        luts,
        ring_products,
        input_noise,
        failure_log2: worst_failure(node, nodes, parameters),
        seconds: luts as f64 * parameters.lut_seconds
            + ring_products as f64 * parameters.ring_product_seconds,
    }
}

impl ParameterSet {
    /// Size of a seeded evaluation key: masks are expanded from a seed, so only bodies count.
    pub fn evaluation_key_bytes(&self) -> usize {
        let rows = self.bootstrap_glwe_dimension + 1;
        let bootstrap = self.lwe_dimension
            * self.bootstrap.levels as usize
            * rows
            * self.bootstrap_polynomial_size;
        let key_switch = self.ring_dimension * self.key_switch.levels as usize;
        // One for each automorphism of packing, one for products.
        let ring_keys = self.ring_dimension.ilog2() as usize + 1;
        let ring = ring_keys * self.ring_key_switch.levels as usize * self.ring_dimension;
        8 * (bootstrap + key_switch + ring)
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
