//! Which layer of a specification a circuit's complaint is about.

use cipherformer_circuit::CircuitError;

use super::error::ImportError;
use crate::error::ModelError;

/// The complaint, with the layer that `layer` finds for the name that the circuit has for it; and what to try against noise, if
/// that is what it is about.
pub(super) fn blame(
    source: CircuitError,
    layer: impl Fn(&str) -> String,
    against_noise: &str,
) -> ModelError {
    let (name, advice) = match &source {
        CircuitError::NoRoom { layer, .. } | CircuitError::NoiseBudget { layer, .. } => {
            (layer, against_noise)
        }
        CircuitError::Shape { layer, .. } | CircuitError::Value { layer, .. } => (
            layer,
            "such weights cannot be computed with: change the layer, and train it again",
        ),
        _ => return source.into(),
    };
    ImportError::Circuit {
        layer: layer(name),
        advice: advice.to_owned(),
        source: Box::new(source),
    }
    .into()
}
