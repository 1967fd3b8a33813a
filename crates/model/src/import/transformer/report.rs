//! What became of a transformer's matrices.

use candle_core::Tensor;

use super::calibrate::Calibrated;
use super::load::Float;
use crate::decoder::{Flow, Site};
use crate::error::ModelError;
use crate::import::report::{ImportedLayer, WeightError, worst_error};
use crate::import::spec::{BlockLayer, TransformerLayer, TransformerSpec};
use crate::import::weights::values;

/// The largest integer of a weight, as lowering rounds them.
const WEIGHT: u8 = cipherformer_circuit::transformer::WEIGHT_LIMIT as u8;

/// Every matrix that is rounded, in the order of the specification.
pub(super) fn layers(
    spec: &TransformerSpec,
    float: &Float,
    calibrated: &Calibrated,
) -> Result<Vec<ImportedLayer>, ModelError> {
    let mut all = Vec::new();
    let mut groups = calibrated.record.weights.iter();
    let blocks = spec.layers.iter().filter_map(|layer| match layer {
        TransformerLayer::Block(block) => Some(block),
        _ => None,
    });
    let mut in_logits = WeightError {
        largest: 0.0,
        of: 0.0,
    };
    for (index, block) in blocks.enumerate() {
        let row = Row {
            number: index + 2,
            calibrated,
        };
        if index == 0 {
            all.extend(row.tables(block)?);
        } else if let Some(group) = groups.next() {
            let names = [
                ("query", &block.attention.query),
                ("key", &block.attention.key),
                ("value", &block.attention.value),
                ("up", &block.mlp.up),
            ];
            for ((what, tensor), (site, matrix, rounded)) in names.into_iter().zip(group) {
                all.push(row.weights(what, tensor, (*site, matrix, rounded))?);
            }
        }
        let sources = [
            ("attention output", &block.attention.output),
            ("down", &block.mlp.down),
        ];
        let sources = sources.into_iter().take(if index == 0 { 1 } else { 2 });
        for ((what, tensor), group) in sources.zip(&mut groups) {
            for (site, matrix, rounded) in group {
                match site {
                    Site::Logit => in_logits = larger(in_logits, error(matrix, rounded)?),
                    site => all.push(row.weights(what, tensor, (*site, matrix, rounded))?),
                }
            }
        }
    }
    if let Some(TransformerLayer::Dense(output)) = spec.layers.last() {
        let (low, high) = calibrated.ranges.both(Site::Logit);
        all.push(ImportedLayer {
            layer: format!("layer {}, with what feeds it", spec.layers.len()),
            tensor: output.weight.clone(),
            shape: float.parameters.unembedding.dims().to_vec(),
            largest_integer: WEIGHT,
            steps: 1,
            error: in_logits,
            range: [low, high],
            possible: None,
        });
    }
    Ok(all)
}

struct Row<'a> {
    number: usize,
    calibrated: &'a Calibrated,
}

impl Row<'_> {
    /// A matrix of weights, all of one step.
    fn weights(
        &self,
        what: &str,
        tensor: &str,
        (site, matrix, rounded): (Site, &Tensor, &Tensor),
    ) -> Result<ImportedLayer, ModelError> {
        let (low, high) = self.calibrated.ranges.both(site);
        Ok(ImportedLayer {
            layer: format!("layer {}, {what}", self.number),
            tensor: tensor.to_owned(),
            shape: matrix.dims().to_vec(),
            largest_integer: WEIGHT,
            steps: 1,
            error: error(matrix, rounded)?,
            range: [low, high],
            possible: None,
        })
    }

    /// The first block's queries, keys and values: not weights are rounded, but what they make of each token.
    fn tables(&self, block: &BlockLayer) -> Result<Vec<ImportedLayer>, ModelError> {
        let Calibrated {
            parameters,
            numerics,
            ranges,
            ..
        } = self.calibrated;
        let mut flow = Flow::new(numerics, ranges)?;
        let rounded = parameters.tables(&flow)?.projections;
        flow.quantized = false;
        let exact = parameters.tables(&flow)?.projections;
        let attention = &block.attention;
        let names = [
            ("query table", &attention.query),
            ("key table", &attention.key),
            ("value table", &attention.value),
        ];
        let row = |(which, (what, tensor)): (usize, (&str, &String))| {
            let step = numerics.steps[0][which];
            let (exact, rounded) = ((&exact[which] * step)?, (&rounded[which] * step)?);
            let values = values(&exact)?;
            let low = values.iter().copied().fold(f32::INFINITY, f32::min);
            let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            Ok(ImportedLayer {
                layer: format!("layer {}, {what}", self.number),
                tensor: tensor.clone(),
                shape: parameters.blocks[0].projections[which].dims().to_vec(),
                largest_integer: numerics.limits[0][which],
                steps: exact.dim(1)?,
                error: error(&exact, &rounded)?,
                range: [f64::from(low), f64::from(high)],
                possible: None,
            })
        };
        names.into_iter().enumerate().map(row).collect()
    }
}

fn error(matrix: &Tensor, rounded: &Tensor) -> Result<WeightError, ModelError> {
    let rounded: Vec<f64> = values(rounded)?.into_iter().map(f64::from).collect();
    Ok(worst_error(&values(matrix)?, &rounded))
}

fn larger(one: WeightError, other: WeightError) -> WeightError {
    if one.largest > other.largest {
        one
    } else {
        other
    }
}
