//! From named tensors to the parameters of a decoder, norms' weights folded into the matrices that read them.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use cipherformer_circuit::{Function, ParameterSet};

use super::limits::Limits;
use crate::decoder::{
    BlockParameters, Form, Numbers, Numerics, Outcome, Parameters, Ranges, measure,
};
use crate::error::ModelError;
use crate::import::error::ImportError;
use crate::import::spec::{
    AttentionLayer, BlockLayer, MlpLayer, OutputLayer, TokenEmbedding, TransformerLayer,
    TransformerSpec, refuse,
};
use crate::import::weights::{Axis, Weights, values};

/// What the layers have to be.
const STRUCTURE: &str = "the layers of a transformer are an embedding, then blocks, then one dense layer that makes logits; \
                         norms stand in blocks, and there is none after the last";

/// The model as its owner trained it.
pub(super) struct Float {
    pub(super) parameters: Parameters,
    /// Softmax and norms as they are defined, nothing rounded.
    pub(super) numerics: Numerics,
    /// Largest integers of queries, keys and values, of each block, where they are given.
    pub(super) limits: Vec<Option<[u8; 3]>>,
}

impl Float {
    pub(super) fn new(
        path: &Path,
        spec: &TransformerSpec,
        vocabulary: usize,
        set: &ParameterSet,
        weights: &mut Weights<'_>,
    ) -> Result<Self, ModelError> {
        let structure = || refuse(path, STRUCTURE.to_owned());
        let (embedding, blocks, output) = structured(&spec.layers).ok_or_else(structure)?;
        let limits = Limits::new(path, set);
        let tokens = Axis::Is("tokens, one a line of the vocabulary", vocabulary);
        let (token, position) = embedding_tensors(embedding, tokens, weights)?;
        let (context, width) = (position.dim(0)?, token.dim(1)?);
        limits.model(context, width, blocks.len())?;
        let mut loader = Loader {
            limits,
            heads: blocks[0].attention.heads,
            inner: None,
            width,
            context,
            vocabulary,
            weights,
        };
        let load = |(index, block): (usize, &&BlockLayer)| loader.block(index, block);
        let all = blocks.iter().enumerate().map(load);
        let all = all.collect::<Result<_, _>>()?;
        let last = format!("layer {}, dense", spec.layers.len());
        let axes = [tokens, Axis::Is("width", width)];
        Ok(Self {
            numerics: numerics(&blocks),
            limits: blocks.iter().map(|b| b.attention.integers).collect(),
            parameters: Parameters {
                token,
                position,
                blocks: all,
                unembedding: loader.matrix(&last, &output.weight, &axes)?,
                unembedding_bias: loader.bias(&last, output.bias.as_deref(), vocabulary)?,
            },
        })
    }

    /// Its loss and most likely tokens on texts, as tokens without end marks.
    pub(super) fn measure(&self, texts: &[Vec<u8>]) -> Result<Outcome, ModelError> {
        let nothing = Ranges::default();
        measure(
            &self.parameters,
            texts,
            &self.numerics,
            &nothing,
            Numbers::Float,
        )
    }
}

/// An embedding, at least one block, a dense layer; `None` if these are not that.
fn structured(
    layers: &[TransformerLayer],
) -> Option<(&TokenEmbedding, Vec<&BlockLayer>, &OutputLayer)> {
    let [
        TransformerLayer::Embedding(embedding),
        blocks @ ..,
        TransformerLayer::Dense(output),
    ] = layers
    else {
        return None;
    };
    let blocks = blocks.iter().map(|layer| match layer {
        TransformerLayer::Block(block) => Some(&**block),
        _ => None,
    });
    let blocks: Vec<&BlockLayer> = blocks.collect::<Option<_>>()?;
    (!blocks.is_empty()).then_some((embedding, blocks, output))
}

/// Embeddings of tokens and positions.
fn embedding_tensors(
    spec: &TokenEmbedding,
    tokens: Axis,
    weights: &mut Weights<'_>,
) -> Result<(Tensor, Tensor), ModelError> {
    let layer = "layer 1, embedding";
    let token = weights.take(layer, &spec.token, &[tokens, Axis::Any("width")])?;
    let axes = [Axis::Any("context"), Axis::Is("width", token.dim(1)?)];
    let position = weights.take(layer, &spec.position, &axes)?;
    Ok((token, position))
}

/// What the float model computes with.
fn numerics(blocks: &[&BlockLayer]) -> Numerics {
    let layers = blocks.len();
    Numerics {
        form: Form::Plain,
        heads: blocks[0].attention.heads,
        gain: vec![1.0; layers],
        cap: blocks.iter().map(|block| block.attention.cap).collect(),
        floor: vec![0.0; layers],
        limits: vec![[u8::MAX; 3]; layers],
        steps: vec![[1.0; 3]; layers],
        norm_floor: vec![0.0; layers],
        epsilon: blocks.iter().map(|block| block.norm.epsilon).collect(),
        residual: None,
    }
}

struct Loader<'a, 'b> {
    limits: Limits<'a>,
    /// Of the first block.
    heads: usize,
    /// Heads times their width, once the first block has said it.
    inner: Option<usize>,
    width: usize,
    context: usize,
    vocabulary: usize,
    weights: &'a mut Weights<'b>,
}

impl Loader<'_, '_> {
    fn block(&mut self, index: usize, block: &BlockLayer) -> Result<BlockParameters, ModelError> {
        let layer = format!("layer {}, block", index + 2);
        self.limits.block(&layer, index, block, self.heads)?;
        let norm = Norm::load(block.norm.weight.as_deref(), &layer, self)?;
        let (projections, output) = self.attention(&layer, &block.attention, &norm)?;
        let [up, down] = self.mlp(&layer, index, &block.mlp, &norm)?;
        let output_bias = block.attention.output_bias.as_deref();
        let bias = self.bias(&layer, output_bias, self.width)?;
        // Both are added to the residual for every token alike.
        let sum = (&down.1 + bias)?;
        if let (Some(a), Some(b)) = (&block.mlp.down_bias, output_bias) {
            check_finite(&layer, &sum, format!("the sum of tensors {a:?} and {b:?}"))?;
        }
        Ok(BlockParameters {
            projections,
            output,
            up,
            activation: Function::from(block.mlp.activation),
            down: (down.0, sum),
        })
    }

    /// Queries, keys and values; what comes after them.
    fn attention(
        &mut self,
        layer: &str,
        spec: &AttentionLayer,
        norm: &Norm<'_>,
    ) -> Result<([Tensor; 3], Tensor), ModelError> {
        let width = Axis::Is("width", self.width);
        let heads = match self.inner {
            Some(inner) => Axis::Is("heads * head width, as in the first block", inner),
            None => Axis::Any("heads * head width"),
        };
        let query = self.matrix(layer, &spec.query, &[heads, width])?;
        let inner = query.dim(0)?;
        self.limits.heads(layer, inner, self.heads, self.context)?;
        self.inner = Some(inner);
        let heads = Axis::Is("heads * head width", inner);
        let key = self.matrix(layer, &spec.key, &[heads, width])?;
        let value = self.matrix(layer, &spec.value, &[heads, width])?;
        let projections = [
            norm.times(layer, &spec.query, &query)?,
            norm.times(layer, &spec.key, &key)?,
            norm.times(layer, &spec.value, &value)?,
        ];
        let output = self.matrix(layer, &spec.output, &[width, heads])?;
        Ok((projections, output))
    }

    /// Both matrices with their biases.
    fn mlp(
        &mut self,
        layer: &str,
        index: usize,
        spec: &MlpLayer,
        norm: &Norm<'_>,
    ) -> Result<[(Tensor, Tensor); 2], ModelError> {
        let width = Axis::Is("width", self.width);
        let axes = [Axis::Any("hidden"), width];
        let up = self.weights.take(layer, &spec.up, &axes)?;
        let hidden = up.dim(0)?;
        if index == 0 {
            let rows = self.context * self.vocabulary;
            let values = hidden.max(self.width).max(self.inner.unwrap_or(0));
            self.limits.table(layer, rows, values)?;
        } else {
            self.limits.vector(layer, "hidden values", hidden)?;
        }
        let up = norm.times(layer, &spec.up, &up)?;
        let up_bias = self.bias(layer, spec.up_bias.as_deref(), hidden)?;
        let axes = [width, Axis::Is("hidden", hidden)];
        // In the first block's table any number is as good as another.
        let down = match index {
            0 => self.weights.take(layer, &spec.down, &axes)?,
            _ => self.matrix(layer, &spec.down, &axes)?,
        };
        let down_bias = self.bias(layer, spec.down_bias.as_deref(), self.width)?;
        Ok([(up, up_bias), (down, down_bias)])
    }

    /// Weights that are not all zero.
    fn matrix(&mut self, layer: &str, name: &str, axes: &[Axis]) -> Result<Tensor, ModelError> {
        let tensor = self.weights.take(layer, name, axes)?;
        check_not_zero(layer, &tensor, format!("tensor {name:?}"))?;
        Ok(tensor)
    }

    fn bias(
        &mut self,
        layer: &str,
        tensor: Option<&str>,
        outputs: usize,
    ) -> Result<Tensor, ModelError> {
        match tensor {
            Some(name) => {
                let axis = Axis::Is("biases, one an output", outputs);
                self.weights.take(layer, name, &[axis])
            }
            None => Ok(Tensor::zeros(outputs, DType::F32, &Device::Cpu)?),
        }
    }
}

/// A norm's weights, and the name of their tensor, if it has any.
struct Norm<'a>(Option<(&'a str, Tensor)>);

impl<'a> Norm<'a> {
    fn load(
        name: Option<&'a str>,
        layer: &str,
        loader: &mut Loader<'_, '_>,
    ) -> Result<Self, ModelError> {
        let Some(name) = name else {
            return Ok(Self(None));
        };
        let axis = Axis::Is("width", loader.width);
        Ok(Self(Some((name, loader.matrix(layer, name, &[axis])?))))
    }

    /// A matrix that reads the norm.
    fn times(&self, layer: &str, name: &str, matrix: &Tensor) -> Result<Tensor, ModelError> {
        let Some((norm, weights)) = &self.0 else {
            return Ok(matrix.clone());
        };
        let product = matrix.broadcast_mul(weights)?;
        let what = format!("the product of tensors {name:?} and {norm:?}");
        check_finite(layer, &product, what)?;
        Ok(product)
    }
}

fn check_finite(layer: &str, tensor: &Tensor, tensors: String) -> Result<(), ModelError> {
    if values(tensor)?.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    let layer = layer.to_owned();
    Err(ImportError::Overflow { layer, tensors }.into())
}

fn check_not_zero(layer: &str, tensor: &Tensor, tensors: String) -> Result<(), ModelError> {
    if values(tensor)?.iter().any(|&x| x != 0.0) {
        return Ok(());
    }
    let layer = layer.to_owned();
    Err(ImportError::Zero { layer, tensors }.into())
}
