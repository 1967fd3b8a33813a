//! From named tensors to the parameters of a decoder, norms' weights folded into the matrices that read them.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use cipherformer_circuit::Function;

use crate::decoder::{BlockParameters, Form, Numerics, Parameters};
use crate::error::ModelError;
use crate::import::error::ImportError;
use crate::import::spec::{
    Activation, AttentionLayer, BlockLayer, MlpLayer, TransformerLayer, TransformerSpec, refuse,
};
use crate::import::weights::{Axis, Weights};

/// The largest soft cap; exponentials of larger scores span more than a LUT tells apart.
const LARGEST_CAP: f64 = 20.0;

/// The model as its owner trained it.
pub(super) struct Float {
    pub(super) parameters: Parameters,
    /// Softmax and norms as they are defined, nothing rounded.
    pub(super) numerics: Numerics,
    /// Largest integers of queries, keys and values, of each block.
    pub(super) limits: Vec<[u8; 3]>,
}

impl Float {
    pub(super) fn new(
        path: &Path,
        spec: &TransformerSpec,
        vocabulary: usize,
        weights: &mut Weights<'_>,
    ) -> Result<Self, ModelError> {
        let structure = || {
            let reason = "the layers of a transformer are an embedding, then blocks, then one dense layer that makes \
                          logits; norms stand in blocks, and there is none after the last";
            ModelError::from(refuse(path, reason.to_owned()))
        };
        let [
            TransformerLayer::Embedding(embedding),
            blocks @ ..,
            TransformerLayer::Dense(output),
        ] = &spec.layers[..]
        else {
            return Err(structure());
        };
        let tokens = Axis::Is("tokens, one a line of the vocabulary", vocabulary);
        let first = "layer 1, embedding";
        let token = weights.take(first, &embedding.token, &[tokens, Axis::Any("width")])?;
        let width = token.dim(1)?;
        let axes = [Axis::Any("context"), Axis::Is("width", width)];
        let position = weights.take(first, &embedding.position, &axes)?;
        let mut loader = Loader {
            path,
            width,
            weights,
        };
        let mut all = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            let TransformerLayer::Block(block) = block else {
                return Err(structure());
            };
            all.push((loader.block(index, block)?, block));
        }
        let last = format!("layer {}, dense", blocks.len() + 2);
        let unembedding =
            loader
                .weights
                .take(&last, &output.weight, &[tokens, Axis::Is("width", width)])?;
        let unembedding_bias = loader.bias(&last, output.bias.as_deref(), vocabulary)?;
        let (blocks, specs): (Vec<BlockParameters>, Vec<&BlockLayer>) = all
            .into_iter()
            .map(|(parameters, block)| (parameters, &**block))
            .unzip();
        Ok(Self {
            numerics: numerics(&specs).ok_or_else(structure)?,
            limits: specs.iter().map(|block| block.attention.integers).collect(),
            parameters: Parameters {
                token,
                position,
                blocks,
                unembedding,
                unembedding_bias,
            },
        })
    }
}

/// What the float model computes with; `None` without blocks.
fn numerics(blocks: &[&BlockLayer]) -> Option<Numerics> {
    let layers = blocks.len();
    Some(Numerics {
        form: Form::Plain,
        heads: blocks.first()?.attention.heads,
        gain: vec![1.0; layers],
        cap: blocks.iter().map(|block| block.attention.cap).collect(),
        floor: vec![0.0; layers],
        limits: vec![[u8::MAX; 3]; layers],
        steps: vec![[1.0; 3]; layers],
        norm_floor: vec![0.0; layers],
        epsilon: blocks.iter().map(|block| block.norm.epsilon).collect(),
        residual: None,
    })
}

struct Loader<'a, 'b> {
    path: &'a Path,
    width: usize,
    weights: &'a mut Weights<'b>,
}

impl Loader<'_, '_> {
    fn block(&mut self, index: usize, block: &BlockLayer) -> Result<BlockParameters, ModelError> {
        let layer = format!("layer {}, block", index + 2);
        self.check(&layer, index, block)?;
        let width = Axis::Is("width", self.width);
        let gain = match &block.norm.weight {
            Some(name) => self.weights.take(&layer, name, &[width])?,
            None => Tensor::ones(self.width, DType::F32, &Device::Cpu)?,
        };
        let AttentionLayer {
            query,
            key,
            value,
            output,
            output_bias,
            ..
        } = &block.attention;
        let query = self
            .weights
            .take(&layer, query, &[Axis::Any("heads * head width"), width])?;
        let inner = query.dim(0)?;
        self.check_heads(&layer, inner, block.attention.heads)?;
        let heads = Axis::Is("heads * head width", inner);
        let key = self.weights.take(&layer, key, &[heads, width])?;
        let value = self.weights.take(&layer, value, &[heads, width])?;
        let output = self.weights.take(&layer, output, &[width, heads])?;
        let MlpLayer {
            activation,
            up,
            up_bias,
            down,
            down_bias,
        } = &block.mlp;
        let up = self
            .weights
            .take(&layer, up, &[Axis::Any("hidden"), width])?;
        let hidden = up.dim(0)?;
        let up_bias = self.bias(&layer, up_bias.as_deref(), hidden)?;
        let down = self
            .weights
            .take(&layer, down, &[width, Axis::Is("hidden", hidden)])?;
        // Both are added to the residual for every token alike.
        let down_bias = (self.bias(&layer, down_bias.as_deref(), self.width)?
            + self.bias(&layer, output_bias.as_deref(), self.width)?)?;
        Ok(BlockParameters {
            projections: [
                query.broadcast_mul(&gain)?,
                key.broadcast_mul(&gain)?,
                value.broadcast_mul(&gain)?,
            ],
            output,
            up: (up.broadcast_mul(&gain)?, up_bias),
            activation: Function::from(*activation),
            down: (down, down_bias),
        })
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

    /// Numbers that no circuit has.
    fn check(&self, layer: &str, index: usize, block: &BlockLayer) -> Result<(), ImportError> {
        let refuse = |reason: String| Err(refuse(self.path, format!("{layer}: {reason}")));
        if index > 0 && block.mlp.activation != Activation::Gelu {
            let got = block.mlp.activation;
            return refuse(format!(
                "the activation {got:?} is supported in the first block only, which is a table; later blocks have gelu"
            ));
        }
        if let Some(cap) = block.attention.cap
            && !(cap > 0.0 && cap <= LARGEST_CAP)
        {
            return refuse(format!(
                "a cap of {cap} is not supported; more than 0 up to {LARGEST_CAP} are"
            ));
        }
        if !(0.0..=1.0).contains(&block.norm.epsilon) {
            let epsilon = block.norm.epsilon;
            return refuse(format!(
                "an epsilon of {epsilon} is not supported; 0 to 1 are"
            ));
        }
        let integers = block.attention.integers;
        if !integers.iter().all(|limit| (1..=127).contains(limit)) {
            return refuse(format!(
                "integers of {integers:?} are not supported; 1 to 127 are"
            ));
        }
        Ok(())
    }

    fn check_heads(&self, layer: &str, inner: usize, heads: usize) -> Result<(), ImportError> {
        if heads > 0 && inner.is_multiple_of(heads) && (inner / heads).is_power_of_two() {
            return Ok(());
        }
        let reason = format!(
            "{layer}: {heads} heads do not share queries of {inner} values so that each has a power of two; such heads are \
             not supported"
        );
        Err(refuse(self.path, reason))
    }
}
