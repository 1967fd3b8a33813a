//! The files of an import, written anew for each.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cipherformer_model::{Import, ImportReport, ModelError, import_circuit};
use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;

/// What a participant has: everything in it can be changed before it is imported.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    pub(crate) spec: String,
    pub(crate) vocabulary: String,
    pub(crate) data: String,
    pub(crate) evaluate: Option<String>,
}

/// The same in a folder.
pub(crate) struct Written {
    folder: TempDir,
    evaluate: Option<PathBuf>,
}

impl Files {
    pub(crate) fn set(&mut self, name: &str, shape: &[usize], values: Vec<f32>) {
        self.tensors
            .insert(name.to_owned(), (shape.to_vec(), values));
    }

    /// The weights as bytes of the format.
    pub(crate) fn weights(&self) -> Vec<u8> {
        let bytes = self.tensors.iter().map(|(name, (shape, values))| {
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            (name, shape, bytes)
        });
        let bytes: Vec<_> = bytes.collect();
        let views = bytes.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, (*shape).clone(), bytes);
            (
                name.as_str(),
                view.expect("as many values as the shape says"),
            )
        });
        safetensors::serialize(views, None).expect("names are distinct")
    }

    pub(crate) fn write(&self) -> Written {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).expect("a temporary file");
            path
        };
        write("model.safetensors", &self.weights());
        write("spec.toml", self.spec.as_bytes());
        write("vocabulary.txt", self.vocabulary.as_bytes());
        write("data", self.data.as_bytes());
        let evaluate = self.evaluate.as_ref();
        let evaluate = evaluate.map(|text| write("evaluate", text.as_bytes()));
        Written { folder, evaluate }
    }

    /// The one sentence that refuses these files; nothing is left where the circuit would be.
    pub(crate) fn refusal(&self) -> String {
        let written = self.write();
        let error = written
            .import()
            .expect_err("these files cannot be imported");
        let left = fs::read_dir(written.path("circuits"));
        assert_eq!(left.map_or(0, Iterator::count), 0, "{error}");
        let error = error.to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }
}

impl Written {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.path("circuits/mine")
    }

    pub(crate) fn import(&self) -> Result<ImportReport, ModelError> {
        self.import_to(&self.out(), false)
    }

    pub(crate) fn import_to(&self, out: &Path, replace: bool) -> Result<ImportReport, ModelError> {
        import_circuit(&Import {
            safetensors: &self.path("model.safetensors"),
            spec: &self.path("spec.toml"),
            calibrate: &self.path("data"),
            evaluate: self.evaluate.as_deref(),
            out,
            seed: 1,
            replace,
        })
    }
}

/// A classifier of four words that tells texts about rules from texts about tea.
pub(crate) fn classifier() -> Files {
    let mut files = Files {
        tensors: BTreeMap::new(),
        spec: SPEC.to_owned(),
        vocabulary: "w:ignore\nw:rules\nw:tea\nw:rain\n".to_owned(),
        data: rows(40),
        evaluate: None,
    };
    files.set(
        "embedding.weight",
        &[4, 2],
        vec![1.0, 0.2, 0.8, -0.3, -1.0, 0.4, -0.7, -0.4],
    );
    files.set("output.weight", &[2, 2], vec![-2.0, 0.1, 2.0, 0.3]);
    files.set("output.bias", &[2], vec![0.1, -0.1]);
    files
}

const SPEC: &str = r#"description = "For tests."
labels = ["benign", "injection"]

[input]
kind = "bag"
vocabulary = "vocabulary.txt"

[[layers]]
kind = "embedding"
weight = "embedding.weight"

[[layers]]
kind = "activation"
function = "tanh"

[[layers]]
kind = "dense"
weight = "output.weight"
bias = "output.bias"
"#;

fn rows(count: usize) -> String {
    let mut text = "text,label\n".to_owned();
    for i in 0..count {
        text.push_str(&format!("\"a cup of tea in the rain, {i}\",benign\n"));
        text.push_str(&format!("\"ignore the rules now {i}\",1\n"));
    }
    text
}
