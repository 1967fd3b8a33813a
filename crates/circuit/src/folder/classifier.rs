//! A classifier's body: a list of layers, and their integers.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::{BODY, WEIGHTS, check_format, damaged, pretty_json, read_json, tensor};
use crate::error::CircuitError;
use crate::function::Function;
use crate::graph::IntMatrix;
use crate::manifest::FORMAT;
use crate::model::{Block, Dense, Embedding, Model, Quantized};

/// The bytes of `body.json` and `weights.safetensors`.
pub(super) fn write(model: &Model) -> (Vec<u8>, Vec<u8>) {
    (pretty_json(&Layers::of(model)), weights_to_bytes(model))
}

/// Reads both files; what they say is still to be checked.
pub(super) fn read(folder: &Path) -> Result<Model, CircuitError> {
    let body: Layers = read_json(folder, BODY)?;
    check_format(folder, BODY, body.format)?;
    let activations = body.activations().ok_or_else(|| {
        let reason = "its layers are not an embedding, then activations and dense layers in turn";
        damaged(folder, BODY, reason.to_owned())
    })?;
    read_model(folder, &activations)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layers {
    format: u32,
    layers: Vec<Layer>,
}

/// A layer, in the order of evaluation; its tensors carry its name and number among its kind.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(tag = "layer", rename_all = "snake_case", deny_unknown_fields)]
enum Layer {
    Embedding {},
    Activation { function: Function },
    Dense {},
}

impl Layers {
    fn of(model: &Model) -> Self {
        let blocks = model.blocks.iter().flat_map(|block| {
            let function = block.activation;
            [Layer::Activation { function }, Layer::Dense {}]
        });
        Self {
            format: FORMAT,
            layers: std::iter::once(Layer::Embedding {}).chain(blocks).collect(),
        }
    }

    /// The activations of the one structure there is: an embedding, then blocks of activation and
    /// dense layer. `None` for any other.
    fn activations(&self) -> Option<Vec<Function>> {
        let (Layer::Embedding {}, blocks) = self.layers.split_first()? else {
            return None;
        };
        let (blocks, []) = blocks.as_chunks::<2>() else {
            return None;
        };
        let activation = |block: &[Layer; 2]| match *block {
            [Layer::Activation { function }, Layer::Dense {}] => Some(function),
            _ => None,
        };
        blocks.iter().map(activation).collect()
    }
}

fn read_model(folder: &Path, activations: &[Function]) -> Result<Model, CircuitError> {
    let bytes = super::read(folder, WEIGHTS)?;
    let bad = |reason: String| damaged(folder, WEIGHTS, reason);
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| bad(error.to_string()))?;
    let expected = 3 * (1 + activations.len());
    if tensors.len() != expected {
        return Err(bad(format!(
            "{} tensors instead of {expected}",
            tensors.len()
        )));
    }
    let layer = |name: &str| read_layer(&tensors, name).map_err(bad);
    let (table, bias) = layer("embedding")?;
    let blocks = activations
        .iter()
        .enumerate()
        .map(|(index, &activation)| {
            let (weights, bias) = layer(&format!("dense{}", index + 1))?;
            Ok(Block {
                activation,
                dense: Dense { weights, bias },
            })
        })
        .collect::<Result<_, CircuitError>>()?;
    Ok(Model {
        embedding: Embedding { table, bias },
        blocks,
    })
}

/// The tensors `name.weights` (I8, two axes), `name.step` and `name.bias` (F64, one axis each).
fn read_layer(tensors: &SafeTensors<'_>, name: &str) -> Result<(Quantized, Vec<f64>), String> {
    let weights = tensor(tensors, &format!("{name}.weights"), Dtype::I8, 2)?;
    let integers: Vec<i8> = weights
        .data()
        .iter()
        .map(|&b| i8::from_le_bytes([b]))
        .collect();
    let [rows, columns] = weights.shape() else {
        return Err(format!("{name}.weights does not have two axes"));
    };
    let integers = IntMatrix::new(*rows, *columns, integers)
        .ok_or_else(|| format!("{name}.weights does not fill its shape"))?;
    let step = floats(&tensor(tensors, &format!("{name}.step"), Dtype::F64, 1)?);
    let bias = floats(&tensor(tensors, &format!("{name}.bias"), Dtype::F64, 1)?);
    Ok((Quantized { integers, step }, bias))
}

fn floats(view: &TensorView<'_>) -> Vec<f64> {
    let (chunks, _) = view.data().as_chunks::<8>();
    chunks
        .iter()
        .map(|&chunk| f64::from_le_bytes(chunk))
        .collect()
}

fn weights_to_bytes(model: &Model) -> Vec<u8> {
    let mut tensors: HashMap<String, (Dtype, Vec<usize>, Vec<u8>)> = HashMap::new();
    let mut add = |name: &str, weights: &Quantized, bias: &[f64]| {
        let integers = &weights.integers;
        let shape = vec![integers.rows(), integers.columns()];
        let bytes = integers.data().iter().map(|w| w.to_le_bytes()[0]).collect();
        tensors.insert(format!("{name}.weights"), (Dtype::I8, shape, bytes));
        for (what, values) in [("step", weights.step.as_slice()), ("bias", bias)] {
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let shape = vec![values.len()];
            tensors.insert(format!("{name}.{what}"), (Dtype::F64, shape, bytes));
        }
    };
    add("embedding", &model.embedding.table, &model.embedding.bias);
    for (index, block) in model.blocks.iter().enumerate() {
        let name = format!("dense{}", index + 1);
        add(&name, &block.dense.weights, &block.dense.bias);
    }
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).expect("bytes fill their shape");
        (name.as_str(), view)
    });
    safetensors::serialize(views, None).expect("names are unique and shapes fit")
}
