//! Single operations: appended to a position's list with what is known of their outputs.

use super::Builder;
use crate::graph::{IntMatrix, LutCell, Node, NodeId, Op, Value};
use crate::lower::{LUT_HALF_RANGE, room};
use crate::parameters::Precision;
use crate::transformer::{MARGIN, SCALED_LEVELS};

/// The bound of what LUTs put out, which only linear sums modulo 1 follow: they have bounds of their own.
const ANYWHERE: f64 = 0.5;

impl Builder<'_> {
    pub(super) fn lookup(
        &mut self,
        name: &str,
        table: IntMatrix,
        multiplier: u32,
        scale: f64,
    ) -> NodeId {
        let input_scale = 1.0 / self.scales.token_modulus as f64;
        let unit = f64::from(multiplier);
        let values = (0..table.columns()).map(|column| {
            let entries = || table.column(column).map(|w| f64::from(w).abs());
            let squares: f64 = entries().map(|w| w * w).sum();
            Value {
                scale,
                bound: entries().fold(0.0, f64::max) * unit * input_scale,
                variance: squares * unit * unit * self.parameters.request_variance(),
            }
        });
        let values = values.collect();
        let op = Op::Lookup {
            table,
            multiplier,
            input_scale,
        };
        self.push(name, op, Vec::new(), values, 0.0)
    }

    /// All outputs share scale and bound.
    pub(super) fn linear(
        &mut self,
        name: &str,
        inputs: Vec<NodeId>,
        weights: &[Vec<i8>],
        bias: Vec<f64>,
        (scale, bound): (f64, f64),
    ) -> NodeId {
        let variances = self.variances(&inputs);
        let values = weights.iter().map(|row| {
            let terms = row.iter().zip(&variances);
            let variance = terms.map(|(&w, v)| f64::from(w).powi(2) * v).sum();
            Value {
                scale,
                bound,
                variance,
            }
        });
        let values = values.collect();
        let weights = IntMatrix::new(weights.len(), variances.len(), weights.concat())
            .expect("every row has a weight for every input");
        self.push(name, Op::Linear { weights, bias }, inputs, values, 0.0)
    }

    pub(super) fn lut(
        &mut self,
        name: &str,
        precision: Precision,
        inputs: Vec<NodeId>,
        cells: Vec<LutCell>,
    ) -> NodeId {
        let values = cells.iter().map(|cell| Value {
            scale: cell.output_scale,
            bound: ANYWHERE,
            variance: self.parameters.lut_output_variance(precision),
        });
        let values = values.collect();
        self.push(name, Op::Lut { cells, precision }, inputs, values, 0.0)
    }

    pub(super) fn scaled_lut(
        &mut self,
        name: &str,
        precision: Precision,
        mut inputs: Vec<NodeId>,
        scales: NodeId,
        scale: f64,
    ) -> NodeId {
        let count = self.variances(&inputs).len();
        let own = self.variances(&[scales]);
        let value = Value {
            scale,
            bound: ANYWHERE,
            variance: self
                .parameters
                .scaled_lut_output_variance(SCALED_LEVELS, precision, own[0]),
        };
        inputs.push(scales);
        let op = Op::ScaledLut {
            levels: SCALED_LEVELS,
            scales: own.len(),
            precision,
        };
        self.push(name, op, inputs, vec![value; count], 0.0)
    }

    pub(super) fn pack(
        &mut self,
        name: &str,
        input: NodeId,
        from: Vec<usize>,
        slots: Vec<usize>,
    ) -> NodeId {
        let variances = self.variances(&[input]);
        let carried: f64 = from.iter().map(|&i| variances[i]).sum();
        let energy = carried + self.parameters.packing_energy(&slots);
        self.push(
            name,
            Op::Pack { from, slots },
            vec![input],
            Vec::new(),
            energy,
        )
    }

    pub(super) fn append(&mut self, name: &str, cache: usize, shift: usize, new: NodeId) -> NodeId {
        self.cached[cache] += self.nodes[new.0].energy;
        let energy = self.cached[cache];
        let op = Op::Append { cache, shift };
        self.push(name, op, vec![new], Vec::new(), energy)
    }

    pub(super) fn product(
        &mut self,
        name: &str,
        modulus: u64,
        outputs: Vec<usize>,
        factors: [NodeId; 2],
        range: f64,
    ) -> NodeId {
        let [a, b] = factors.map(|id| self.nodes[id.0].energy);
        let value = Value {
            scale: 1.0 / modulus as f64,
            bound: range * MARGIN / modulus as f64,
            variance: self.parameters.product_variance(modulus, a, b),
        };
        let values = vec![value; outputs.len()];
        let op = Op::Product { modulus, outputs };
        self.push(name, op, factors.to_vec(), values, 0.0)
    }

    pub(super) fn variances(&self, inputs: &[NodeId]) -> Vec<f64> {
        let values = inputs.iter().flat_map(|id| &self.nodes[id.0].values);
        values.map(|value| value.variance).collect()
    }

    pub(super) fn lut_room(&self) -> f64 {
        room(LUT_HALF_RANGE, 2.0 * self.parameters.lut_input_variance())
    }

    pub(super) fn push(
        &mut self,
        name: &str,
        op: Op,
        inputs: Vec<NodeId>,
        values: Vec<Value>,
        energy: f64,
    ) -> NodeId {
        self.nodes.push(Node {
            name: name.to_owned(),
            op,
            inputs,
            values,
            energy,
        });
        NodeId(self.nodes.len() - 1)
    }
}
