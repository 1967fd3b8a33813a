//! A circuit as a folder of files: the public manifest and vocabulary, and the private body.
//!
//! | file | public | content |
//! |---|---|---|
//! | `manifest.json` | yes | [`Manifest`] |
//! | `vocabulary.txt` | yes | one feature a line |
//! | `body.json` | no | the layers, in order, without their numbers |
//! | `weights.safetensors` | no | integers, steps and biases of every layer |

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::circuit::{Circuit, Description};
use crate::error::CircuitError;
use crate::features::Vocabulary;
use crate::function::Function;
use crate::graph::IntMatrix;
use crate::manifest::{FORMAT, Manifest};
use crate::model::{Block, Dense, Embedding, Model, Quantized};

const MANIFEST: &str = "manifest.json";
const VOCABULARY: &str = "vocabulary.txt";
const BODY: &str = "body.json";
const WEIGHTS: &str = "weights.safetensors";

/// No file of a circuit may be larger; checked before reading.
const MAX_FILE_BYTES: u64 = 256 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
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

impl Body {
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

impl Circuit {
    /// Writes the circuit's files into a folder, which is made if missing.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), CircuitError> {
        fs::create_dir_all(folder).map_err(|source| file_error(folder, source))?;
        let body = Body::of(self.model());
        write(folder, MANIFEST, &pretty_json(self.manifest()))?;
        write(folder, VOCABULARY, self.vocabulary().to_text().as_bytes())?;
        write(folder, BODY, &pretty_json(&body))?;
        write(folder, WEIGHTS, &weights_to_bytes(self.model()))
    }

    /// Reads a folder and checks everything: formats, shapes, noise, digest.
    ///
    /// # Errors
    /// A missing, damaged or inconsistent file, or whatever [`Circuit::new`] refuses.
    pub fn load(folder: &Path) -> Result<Self, CircuitError> {
        let manifest: Manifest = read_json(folder, MANIFEST)?;
        let body: Body = read_json(folder, BODY)?;
        for (file, format) in [(MANIFEST, manifest.format), (BODY, body.format)] {
            if format != FORMAT {
                let reason = format!("format {format} is not {FORMAT}, which this build reads");
                return Err(damaged(folder, file, reason));
            }
        }
        let vocabulary = read_vocabulary(folder, &manifest)?;
        let activations = body.activations().ok_or_else(|| {
            let reason =
                "its layers are not an embedding, then activations and dense layers in turn";
            damaged(folder, BODY, reason.to_owned())
        })?;
        let model = read_model(folder, &activations)?;
        let description = Description {
            name: manifest.name.clone(),
            description: manifest.description.clone(),
            parameter_set: manifest.parameter_set.clone(),
            labels: manifest.output.labels.clone(),
        };
        let circuit = Self::new(description, vocabulary, model).map_err(|error| match error {
            CircuitError::UnknownParameters { .. } => error,
            error => damaged(folder, WEIGHTS, error.to_string()),
        })?;
        circuit.check_manifest(folder, manifest)?;
        Ok(circuit)
    }

    /// Whether the manifest that was read is the one that the other files give.
    fn check_manifest(&self, folder: &Path, read: Manifest) -> Result<(), CircuitError> {
        let made = self.manifest();
        if made.digest != read.digest {
            return Err(CircuitError::Digest {
                path: folder.to_owned(),
                expected: read.digest,
                got: made.digest.clone(),
            });
        }
        if *made != read {
            let reason = "its sizes or scales are not those of the other files".to_owned();
            return Err(damaged(folder, MANIFEST, reason));
        }
        Ok(())
    }
}

/// The hash in the manifest tells a damaged vocabulary from any other damage.
fn read_vocabulary(folder: &Path, manifest: &Manifest) -> Result<Vocabulary, CircuitError> {
    let bad = |reason: String| damaged(folder, VOCABULARY, reason);
    let text = String::from_utf8(read(folder, VOCABULARY)?).map_err(|e| bad(e.to_string()))?;
    let layout = &manifest.input;
    let vocabulary = Vocabulary::from_text(&text, layout.max_features, layout.min_count)
        .map_err(|error| bad(error.to_string()))?;
    if vocabulary.sha256() != layout.vocabulary_sha256 {
        let reason = format!("its SHA-256 is not {}", layout.vocabulary_sha256);
        return Err(bad(reason));
    }
    Ok(vocabulary)
}

fn read_model(folder: &Path, activations: &[Function]) -> Result<Model, CircuitError> {
    let bytes = read(folder, WEIGHTS)?;
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

fn tensor<'a>(
    tensors: &SafeTensors<'a>,
    name: &str,
    dtype: Dtype,
    axes: usize,
) -> Result<TensorView<'a>, String> {
    let view = tensors.tensor(name).map_err(|error| error.to_string())?;
    if view.dtype() != dtype || view.shape().len() != axes {
        let (got, shape) = (view.dtype(), view.shape());
        return Err(format!(
            "{name}: expected {dtype:?} with {axes} axes, got {got:?} {shape:?}"
        ));
    }
    Ok(view)
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

fn pretty_json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_string_pretty(value).expect("plain data");
    text.push('\n');
    text.into_bytes()
}

fn read_json<T: for<'de> Deserialize<'de>>(folder: &Path, name: &str) -> Result<T, CircuitError> {
    serde_json::from_slice(&read(folder, name)?)
        .map_err(|error| damaged(folder, name, error.to_string()))
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, CircuitError> {
    let path = folder.join(name);
    let length = fs::metadata(&path)
        .map_err(|source| file_error(&path, source))?
        .len();
    if length > MAX_FILE_BYTES {
        let reason = format!("{length} bytes, at most {MAX_FILE_BYTES} are accepted");
        return Err(damaged(folder, name, reason));
    }
    fs::read(&path).map_err(|source| file_error(&path, source))
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), CircuitError> {
    let path = folder.join(name);
    fs::write(&path, bytes).map_err(|source| file_error(&path, source))
}

fn file_error(path: &Path, source: std::io::Error) -> CircuitError {
    CircuitError::File {
        path: path.to_owned(),
        source,
    }
}

fn damaged(folder: &Path, name: &str, reason: String) -> CircuitError {
    let path: PathBuf = folder.join(name);
    CircuitError::Damaged { path, reason }
}
