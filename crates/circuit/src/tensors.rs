//! A transformer as named tensors: what its file holds, and what the digest covers.

use serde::{Deserialize, Serialize};

use crate::transformer::{
    Attention, AttentionNumerics, BlockNumerics, Matrix, TokenTables, Transformer, TransformerBlock,
};

/// What is not a tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Numerics {
    heads: usize,
    context: usize,
    logit_range: f64,
    attention: Vec<AttentionNumerics>,
    blocks: Vec<BlockNumerics>,
}

impl Numerics {
    /// How many positions.
    pub(crate) fn context(&self) -> usize {
        self.context
    }
}

/// Little-endian `f32`, or `i8`.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) integers: bool,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn numerics(model: &Transformer) -> Numerics {
    Numerics {
        heads: model.heads,
        context: model.positions.len(),
        logit_range: model.logit_range,
        attention: model.attention.iter().map(|a| a.numerics).collect(),
        blocks: model.blocks.iter().map(|b| b.numerics).collect(),
    }
}

/// All tensors, in a fixed order.
pub(crate) fn tensors(model: &Transformer) -> Vec<Tensor> {
    let mut all = Vec::new();
    for (i, tables) in model.positions.iter().enumerate() {
        let name = |what: &str| format!("positions.{i}.{what}");
        all.push(integers(name("queries"), &tables.queries));
        all.push(integers(name("keys"), &tables.keys));
        all.push(integers(name("values"), &tables.values));
        all.push(matrix(name("residual"), &tables.residual));
    }
    for (i, attention) in model.attention.iter().enumerate() {
        all.push(matrix(format!("attention.{i}.output"), &attention.output));
    }
    for (i, block) in model.blocks.iter().enumerate() {
        let name = |what: &str| format!("blocks.{i}.{what}");
        all.push(matrix(name("query"), &block.query));
        all.push(matrix(name("key"), &block.key));
        all.push(matrix(name("value"), &block.value));
        all.push(matrix(name("up"), &block.up));
        all.push(vector(name("up_bias"), &block.up_bias));
        all.push(matrix(name("down"), &block.down));
        all.push(vector(name("down_bias"), &block.down_bias));
    }
    all.push(matrix("unembedding".to_owned(), &model.unembedding));
    all.push(vector(
        "unembedding_bias".to_owned(),
        &model.unembedding_bias,
    ));
    all
}

fn integers(name: String, rows: &[Vec<i8>]) -> Tensor {
    Tensor {
        name,
        shape: vec![rows.len(), rows.first().map_or(0, Vec::len)],
        integers: true,
        bytes: rows.concat().iter().map(|x| x.to_le_bytes()[0]).collect(),
    }
}

fn matrix(name: String, matrix: &Matrix) -> Tensor {
    Tensor {
        shape: vec![matrix.rows(), matrix.columns()],
        ..vector(name, matrix.data())
    }
}

fn vector(name: String, values: &[f32]) -> Tensor {
    Tensor {
        name,
        shape: vec![values.len()],
        integers: false,
        bytes: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

/// Finds tensors by name and checks their kind; their sizes are checked with the model they make.
pub(crate) trait Source {
    /// Shape and bytes of a tensor.
    ///
    /// # Errors
    /// No such tensor, or one of another kind or number of axes.
    fn find(&self, name: &str, integers: bool, axes: usize) -> Result<(Vec<usize>, &[u8]), String>;

    fn matrix(&self, name: &str) -> Result<Matrix, String> {
        let (shape, bytes) = self.find(name, false, 2)?;
        Matrix::new(shape[0], shape[1], floats(bytes))
            .ok_or_else(|| format!("{name} does not fill its shape"))
    }

    fn vector(&self, name: &str) -> Result<Vec<f32>, String> {
        Ok(floats(self.find(name, false, 1)?.1))
    }

    fn integer_rows(&self, name: &str) -> Result<Vec<Vec<i8>>, String> {
        let (shape, bytes) = self.find(name, true, 2)?;
        let row = |bytes: &[u8]| bytes.iter().map(|&b| i8::from_le_bytes([b])).collect();
        Ok(bytes.chunks(shape[1].max(1)).map(row).collect())
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks::<4>();
    chunks.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

/// How many tensors a model with these numbers has.
pub(crate) fn tensor_count(numerics: &Numerics) -> usize {
    4 * numerics.context + numerics.attention.len() + 7 * numerics.blocks.len() + 2
}

/// The inverse of [`tensors`] and [`numerics`]. What it makes is still to be checked.
pub(crate) fn assemble(numerics: Numerics, source: &impl Source) -> Result<Transformer, String> {
    let positions = (0..numerics.context).map(|i| {
        let name = |what: &str| format!("positions.{i}.{what}");
        Ok(TokenTables {
            queries: source.integer_rows(&name("queries"))?,
            keys: source.integer_rows(&name("keys"))?,
            values: source.integer_rows(&name("values"))?,
            residual: source.matrix(&name("residual"))?,
        })
    });
    let attention = numerics.attention.iter().enumerate().map(|(i, &numerics)| {
        Ok(Attention {
            output: source.matrix(&format!("attention.{i}.output"))?,
            numerics,
        })
    });
    let blocks = numerics.blocks.iter().enumerate().map(|(i, &numerics)| {
        let name = |what: &str| format!("blocks.{i}.{what}");
        Ok(TransformerBlock {
            numerics,
            query: source.matrix(&name("query"))?,
            key: source.matrix(&name("key"))?,
            value: source.matrix(&name("value"))?,
            up: source.matrix(&name("up"))?,
            up_bias: source.vector(&name("up_bias"))?,
            down: source.matrix(&name("down"))?,
            down_bias: source.vector(&name("down_bias"))?,
        })
    });
    Ok(Transformer {
        heads: numerics.heads,
        positions: positions.collect::<Result<_, String>>()?,
        attention: attention.collect::<Result<_, String>>()?,
        blocks: blocks.collect::<Result<_, String>>()?,
        unembedding: source.matrix("unembedding")?,
        unembedding_bias: source.vector("unembedding_bias")?,
        logit_range: numerics.logit_range,
    })
}
