//! What became of a transformer's matrices.

use candle_core::Tensor;

use super::calibrate::Calibrated;
use super::load::Float;
use crate::decoder::{Flow, Record, Site};
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
    let mut groups = calibrated.record.weights.iter();
    let mut all = Vec::new();
    for (index, block) in spec.blocks().enumerate() {
        let row = Row {
            number: index + 2,
            calibrated,
        };
        match index {
            0 => all.extend(row.tables(block)?),
            _ => all.extend(row.readers(block, groups.next())?),
        }
        let sources = [
            ("attention output", &block.attention.output),
            ("down", &block.mlp.down),
        ];
        // The first block's MLP is in its table.
        let sources = sources.into_iter().take(if index == 0 { 1 } else { 2 });
        for ((what, tensor), group) in sources.zip(&mut groups) {
            let residuals = group.iter().filter(|(site, ..)| *site != Site::Logit);
            for weights in residuals {
                all.push(row.weights(what, tensor, weights)?);
            }
        }
    }
    all.extend(unembedding(spec, float, calibrated)?);
    Ok(all)
}

/// The last layer, which is rounded as part of what feeds it.
fn unembedding(
    spec: &TransformerSpec,
    float: &Float,
    calibrated: &Calibrated,
) -> Result<Option<ImportedLayer>, ModelError> {
    let Some(TransformerLayer::Dense(output)) = spec.layers.last() else {
        return Ok(None);
    };
    let (low, high) = calibrated.ranges.both(Site::Logit);
    Ok(Some(ImportedLayer {
        layer: format!("layer {}, with what feeds it", spec.layers.len()),
        tensor: output.weight.clone(),
        shape: float.parameters.unembedding.dims().to_vec(),
        largest_integer: WEIGHT,
        steps: 1,
        error: in_logits(&calibrated.record)?,
        range: [low, high],
        possible: None,
    }))
}

/// The worst of the matrices that put values into the logits: products of the last layer's and another's.
fn in_logits(record: &Record) -> Result<WeightError, ModelError> {
    let mut worst = WeightError {
        largest: 0.0,
        of: 0.0,
    };
    let all = record.weights.iter().flatten();
    for (_, matrix, rounded) in all.filter(|(site, ..)| *site == Site::Logit) {
        let error = error(matrix, rounded)?;
        if error.largest > worst.largest {
            worst = error;
        }
    }
    Ok(worst)
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
        (site, matrix, rounded): &(Site, Tensor, Tensor),
    ) -> Result<ImportedLayer, ModelError> {
        let (low, high) = self.calibrated.ranges.both(*site);
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

    /// The matrices that read a block's norm, which are rounded together.
    fn readers(
        &self,
        block: &BlockLayer,
        group: Option<&Vec<(Site, Tensor, Tensor)>>,
    ) -> Result<Vec<ImportedLayer>, ModelError> {
        let names = [
            ("query", &block.attention.query),
            ("key", &block.attention.key),
            ("value", &block.attention.value),
            ("up", &block.mlp.up),
        ];
        let rows = names.into_iter().zip(group.into_iter().flatten());
        rows.map(|((what, tensor), weights)| self.weights(what, tensor, weights))
            .collect()
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
