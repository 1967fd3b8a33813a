//! A transformer's body: its numbers, and its tensors.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::{BODY, WEIGHTS, check_format, damaged, pretty_json, read_json, tensor};
use crate::error::CircuitError;
use crate::manifest::{FORMAT, MAX_CONTEXT};
use crate::tensors::{Numerics, Source, assemble, numerics, tensor_count, tensors};
use crate::transformer::Transformer;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    transformer: Numerics,
}

/// The bytes of `body.json` and `weights.safetensors`.
pub(super) fn write(model: &Transformer) -> (Vec<u8>, Vec<u8>) {
    let file = File {
        format: FORMAT,
        transformer: numerics(model),
    };
    let tensors = tensors(model);
    let views = tensors.iter().map(|tensor| {
        let dtype = if tensor.integers {
            Dtype::I8
        } else {
            Dtype::F32
        };
        let view = TensorView::new(dtype, tensor.shape.clone(), &tensor.bytes);
        (tensor.name.as_str(), view.expect("bytes fill their shape"))
    });
    let weights = safetensors::serialize(views, None).expect("names are unique and shapes fit");
    (pretty_json(&file), weights)
}

/// Reads both files; what they say is still to be checked.
pub(super) fn read(folder: &Path) -> Result<Transformer, CircuitError> {
    let file: File = read_json(folder, BODY)?;
    check_format(folder, BODY, file.format)?;
    if file.transformer.context() > MAX_CONTEXT {
        let reason = format!("a context of more than {MAX_CONTEXT} positions");
        return Err(damaged(folder, BODY, reason));
    }
    let bytes = super::read(folder, WEIGHTS)?;
    let bad = |reason: String| damaged(folder, WEIGHTS, reason);
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| bad(error.to_string()))?;
    let expected = tensor_count(&file.transformer);
    if tensors.len() != expected {
        let reason = format!("{} tensors instead of {expected}", tensors.len());
        return Err(bad(reason));
    }
    assemble(file.transformer, &tensors).map_err(bad)
}

impl Source for SafeTensors<'_> {
    fn find(&self, name: &str, integers: bool, axes: usize) -> Result<(Vec<usize>, &[u8]), String> {
        let dtype = if integers { Dtype::I8 } else { Dtype::F32 };
        let view = tensor(self, name, dtype, axes)?;
        Ok((view.shape().to_vec(), view.data()))
    }
}
