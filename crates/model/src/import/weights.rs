//! Tensors by name, from a file that may hold anything.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::error::ImportError;
use crate::error::ModelError;

/// No file of weights may be larger; the largest embedding that a circuit takes has half of that.
pub(super) const MAX_FILE_BYTES: u64 = 1 << 28;

/// How many names an error lists.
const LISTED: usize = 24;

/// Reads a file of weights.
///
/// # Errors
/// A file that is missing or too large.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    let failed = |source| ModelError::File {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let claimed = file.metadata().map_err(failed)?.len();
    let mut content = Vec::new();
    if claimed <= MAX_FILE_BYTES {
        // Not every file knows how long it is.
        let mut file = file.take(MAX_FILE_BYTES + 1);
        file.read_to_end(&mut content).map_err(failed)?;
    }
    let bytes = claimed.max(content.len() as u64);
    if bytes > MAX_FILE_BYTES {
        let (path, limit) = (path.to_owned(), MAX_FILE_BYTES);
        return Err(ImportError::Size { path, bytes, limit }.into());
    }
    Ok(content)
}

/// One axis of a shape.
#[derive(Clone, Copy, Debug)]
pub(super) enum Axis {
    /// So many.
    Is(&'static str, usize),
    /// Any number but 0.
    Any(&'static str),
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(what, count) => write!(f, "{count} {what}"),
            Self::Any(what) => f.write_str(what),
        }
    }
}

impl Axis {
    fn fits(self, count: usize) -> bool {
        match self {
            Self::Is(_, expected) => count == expected,
            Self::Any(_) => count > 0,
        }
    }
}

/// The tensors of a file, and which of them were taken.
#[derive(Debug)]
pub(super) struct Weights<'a> {
    path: PathBuf,
    tensors: SafeTensors<'a>,
    taken: BTreeSet<String>,
}

impl<'a> Weights<'a> {
    /// Of a file's bytes.
    ///
    /// # Errors
    /// Bytes that are not in the format; what it says of tensors is checked against the bytes there are.
    pub(super) fn new(path: &Path, bytes: &'a [u8]) -> Result<Self, ImportError> {
        let tensors =
            SafeTensors::deserialize(bytes).map_err(|error| ImportError::Safetensors {
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            path: path.to_owned(),
            tensors,
            taken: BTreeSet::new(),
        })
    }

    /// A tensor of 32-bit floats; `layer` needs it.
    ///
    /// # Errors
    /// No such tensor, or one of another shape or type, or with weights that are not finite.
    pub(super) fn take(
        &mut self,
        layer: &str,
        name: &str,
        expected: &[Axis],
    ) -> Result<Tensor, ModelError> {
        let Ok(view) = self.tensors.tensor(name) else {
            let (layer, tensor) = (layer.to_owned(), name.to_owned());
            return Err(self.unknown(layer, tensor).into());
        };
        self.taken.insert(name.to_owned());
        check_view(&view, layer, name, expected)?;
        let tensor = view.load(&Device::Cpu)?.to_dtype(DType::F32)?;
        let weights = values(&tensor)?;
        match weights.iter().filter(|x| !x.is_finite()).count() {
            0 => Ok(tensor),
            count => Err(ImportError::NotFinite {
                layer: layer.to_owned(),
                tensor: name.to_owned(),
                count,
            }
            .into()),
        }
    }

    /// How many rows a tensor has, if it is there.
    pub(super) fn rows(&self, name: &str) -> Option<usize> {
        let view = self.tensors.tensor(name).ok()?;
        view.shape().first().copied()
    }

    /// Fails if a tensor was not taken and is not in the list of those to ignore, or that list has others.
    ///
    /// # Errors
    /// Tensors without a use, or names without a tensor.
    pub(super) fn finish(self, ignored: &[String]) -> Result<(), ImportError> {
        if let Some(name) = ignored
            .iter()
            .find(|name| self.tensors.tensor(name).is_err())
        {
            return Err(self.unknown("ignore".to_owned(), name.clone()));
        }
        let unused = |name: &String| !self.taken.contains(name) && !ignored.contains(name);
        let tensors = listed(self.names().into_iter().filter(unused).collect());
        match tensors.is_empty() {
            true => Ok(()),
            false => Err(ImportError::Unused {
                path: self.path,
                tensors,
            }),
        }
    }

    fn unknown(&self, layer: String, tensor: String) -> ImportError {
        let mut names = self.names();
        // Those that resemble it first.
        names.sort_by_key(|name| std::cmp::Reverse(common(name, &tensor)));
        ImportError::UnknownTensor {
            path: self.path.clone(),
            layer,
            tensor,
            known: listed(names),
        }
    }

    fn names(&self) -> Vec<String> {
        let names: BTreeSet<String> = self.tensors.names().into_iter().map(String::from).collect();
        names.into_iter().collect()
    }
}

/// A type that is read, and the shape that a layer needs.
fn check_view(
    view: &TensorView<'_>,
    layer: &str,
    tensor: &str,
    expected: &[Axis],
) -> Result<(), ImportError> {
    let (layer, tensor) = (layer.to_owned(), tensor.to_owned());
    let dtype = view.dtype();
    if !matches!(dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16) {
        let dtype = format!("{dtype:?}");
        return Err(ImportError::Dtype {
            layer,
            tensor,
            dtype,
        });
    }
    let got = view.shape().to_vec();
    let fits = expected.iter().zip(&got).all(|(axis, &n)| axis.fits(n));
    if fits && got.len() == expected.len() {
        return Ok(());
    }
    let expected: Vec<String> = expected.iter().map(Axis::to_string).collect();
    Err(ImportError::Shape {
        layer,
        tensor,
        expected: format!("[{}]", expected.join(", ")),
        got,
    })
}

/// The weights of a tensor, row by row.
pub(super) fn values(tensor: &Tensor) -> Result<Vec<f32>, ModelError> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// How many characters two names share at both ends.
fn common(a: &str, b: &str) -> usize {
    let front = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    let back = a
        .chars()
        .rev()
        .zip(b.chars().rev())
        .take_while(|(a, b)| a == b);
    front.count() + back.count()
}

fn listed(names: Vec<String>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let short = |name: &String| name.chars().take(80).collect::<String>();
    let mut text = names
        .iter()
        .take(LISTED)
        .map(short)
        .collect::<Vec<_>>()
        .join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
