//! Why weights from elsewhere cannot become a circuit.

use std::path::PathBuf;

use cipherformer_circuit::CircuitError;

/// What is wrong with the weights, or with what is said of them.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The specification does not say what it should.
    #[error("{path}{}: {reason}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Spec {
        /// The file.
        path: PathBuf,
        /// The line, from 1, where known.
        line: Option<usize>,
        /// What is wrong and what is supported.
        reason: String,
    },
    /// The weights are not in the format.
    #[error(
        "{path} is no safetensors file: {reason}; write it with the safetensors library's save_file"
    )]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What the format's library says.
        reason: String,
    },
    /// A file that no circuit needs.
    #[error(
        "{path} has {bytes} bytes or more, at most {limit} are read; keep the tensors that the specification names"
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// How large it is at least.
        bytes: u64,
        /// How large it may be.
        limit: u64,
    },
    /// The specification names a tensor that is not there.
    #[error("{layer}: {path} has no tensor {tensor:?}; it has {known}")]
    UnknownTensor {
        /// The weights.
        path: PathBuf,
        /// The layer that needs it.
        layer: String,
        /// The name.
        tensor: String,
        /// The names there are.
        known: String,
    },
    /// A tensor of another shape.
    #[error("{layer}: tensor {tensor:?} has the shape {got:?}, expected {expected}")]
    Shape {
        /// The layer that needs it.
        layer: String,
        /// The name.
        tensor: String,
        /// What fits.
        expected: String,
        /// What is there.
        got: Vec<usize>,
    },
    /// A tensor of another type.
    #[error(
        "{layer}: tensor {tensor:?} is of type {dtype}; F64, F32, F16 and BF16 are read: convert it"
    )]
    Dtype {
        /// The layer that needs it.
        layer: String,
        /// The name.
        tensor: String,
        /// Its type.
        dtype: String,
    },
    /// A tensor with infinities or worse.
    #[error(
        "{layer}: {count} of the weights of tensor {tensor:?} are not finite as 32-bit floats; has training diverged?"
    )]
    NotFinite {
        /// The layer that needs it.
        layer: String,
        /// The name.
        tensor: String,
        /// How many.
        count: usize,
    },
    /// A tensor that would be silently left out: a forgotten bias changes all answers.
    #[error(
        "{path} has tensors that no layer uses: {tensors}; name them in a layer, or in the list `ignore` if the \
         model works without them"
    )]
    Unused {
        /// The weights.
        path: PathBuf,
        /// Their names.
        tensors: String,
    },
    /// The destination is taken.
    #[error(
        "{path} is there already; choose another folder with --out, or replace it with --replace"
    )]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The destination's name is no name for a circuit.
    #[error(
        "a circuit is called as its folder, and {name:?} is not 1 to 64 lower-case letters, digits and hyphens; choose \
         another --out"
    )]
    Name {
        /// The folder's name.
        name: String,
    },
    /// Weights that leave no scale to choose.
    #[error(
        "{layer}: {tensors} is zero everywhere, and a circuit has no scale for what it makes; train the model further, or \
         leave the layer out of it"
    )]
    Zero {
        /// The layer.
        layer: String,
        /// The name, or of what it is the product.
        tensors: String,
    },
    /// Finite tensors whose product or sum is not.
    #[error("{layer}: {tensors} exceeds 32-bit floats; has training diverged?")]
    Overflow {
        /// The layer.
        layer: String,
        /// Of what it is the product or sum.
        tensors: String,
    },
    /// Values that no circuit has ranges for.
    #[error(
        "{layer}: {what} are at most {largest:.3e} in calibration, and a circuit's ranges are from 1e-9 to 1e9; look at \
         {origin}"
    )]
    Range {
        /// The layer.
        layer: String,
        /// Which values.
        what: String,
        /// The largest magnitude.
        largest: f64,
        /// What makes them.
        origin: String,
    },
    /// Predictions with infinities or worse.
    #[error(
        "the {model}'s predictions of the calibration texts are not all finite: values exceed 32-bit floats on the way to \
         them; has training diverged?"
    )]
    Predictions {
        /// Float model, or circuit.
        model: &'static str,
    },
    /// A circuit's norm adds nothing to the mean of squares.
    #[error(
        "{layer}: the norm adds an epsilon of {epsilon} to means of squares of down to {smallest:.3e}; a circuit's norm adds \
         none, which is the same only up to a hundredth of that: train with a smaller epsilon or larger values"
    )]
    Epsilon {
        /// The layer.
        layer: String,
        /// What the norm adds.
        epsilon: f64,
        /// The smallest mean in calibration.
        smallest: f64,
    },
    /// The layers are all right, the circuit is not.
    #[error("{layer}: {source}; {advice}")]
    Circuit {
        /// The layer of the specification, and its tensor.
        layer: String,
        /// What the circuit says.
        source: Box<CircuitError>,
        /// What to try.
        advice: String,
    },
    /// Attention's scores are so large that no table tells them apart.
    #[error(
        "{layer}: scores reach {largest:.0} in calibration, at most {limit} are supported; train with smaller queries and \
         keys, or with a soft cap"
    )]
    Scores {
        /// The layer.
        layer: String,
        /// The largest.
        largest: f64,
        /// What is supported.
        limit: f64,
    },
}
