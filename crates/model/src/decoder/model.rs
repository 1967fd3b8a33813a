//! The transformer in floating point.

use candle_core::{D, Tensor};
use cipherformer_circuit::Function;

use super::batch::Batch;
use super::flow::{Flow, Grid};
use super::numerics::Form;
use super::ranges::Site;
use crate::error::ModelError;

/// All weights. Matrices are \[outputs x inputs\].
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    /// \[vocabulary x width\].
    pub(crate) token: Tensor,
    /// \[context x width\].
    pub(crate) position: Tensor,
    /// At least one.
    pub(crate) blocks: Vec<BlockParameters>,
    /// \[vocabulary x width\].
    pub(crate) unembedding: Tensor,
    /// \[vocabulary\].
    pub(crate) unembedding_bias: Tensor,
}

/// One parallel block. Its norm needs no gain: every matrix that reads the norm has its own.
#[derive(Clone, Debug)]
pub(crate) struct BlockParameters {
    /// Queries, keys, values.
    pub(crate) projections: [Tensor; 3],
    /// W_o.
    pub(crate) output: Tensor,
    /// W_1 and its bias.
    pub(crate) up: (Tensor, Tensor),
    /// Of the MLP; a circuit has [`Function::Gelu`] in all blocks but the first, which is a table.
    pub(crate) activation: Function,
    /// W_2 and its bias.
    pub(crate) down: (Tensor, Tensor),
}

/// Block 1 but for its attention, a row for each position and token.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    /// Integers of queries, keys, values.
    pub(crate) projections: [Tensor; 3],
    /// Embedding plus MLP.
    pub(crate) residual: Tensor,
}

/// Values that later layers add up, and the matrices that put them into each residual from `first` on, and into the
/// logits: the same weights, each time rounded for what they are added to.
struct Source {
    values: Tensor,
    first: usize,
    matrices: Vec<Tensor>,
}

impl Source {
    fn in_residual(&self, layer: usize) -> Result<Tensor, ModelError> {
        linear(&self.values, &self.matrices[layer - self.first])
    }

    fn in_logits(&self) -> Result<Tensor, ModelError> {
        let matrix = self.matrices.last().expect("the logits' is always there");
        linear(&self.values, matrix)
    }
}

impl Parameters {
    /// How many tokens there are.
    pub(crate) fn vocabulary(&self) -> Result<usize, ModelError> {
        Ok(self.token.dim(0)?)
    }

    /// Logits, \[rows x vocabulary\].
    pub(crate) fn logits(&self, batch: &Batch, flow: &mut Flow<'_>) -> Result<Tensor, ModelError> {
        let tables = self.tables(flow)?;
        let select = |table: &Tensor| table.index_select(&batch.entry, 0);
        let [query, key, value] = &tables.projections;
        let qkv = [select(query)?, select(key)?, select(value)?];
        for (which, projected) in qkv.iter().enumerate() {
            flow.keep(0, which, projected);
        }
        let mut token = flow.drop(&select(&tables.residual)?)?;
        let mixed = self.attention(0, &qkv, batch, flow)?;
        let mut sources = vec![self.source(mixed, &self.blocks[0].output, 1, flow)?];
        let mut logits = (linear(&token, &self.unembedding)? + sources[0].in_logits()?)?;
        for layer in 1..self.blocks.len() {
            let mut x = token.clone();
            for source in &sources {
                x = (x + source.in_residual(layer)?)?;
            }
            let added = self.block(layer, &x, batch, flow)?;
            let bias = &self.blocks[layer].down.1;
            let in_logits = (added[0].in_logits()? + added[1].in_logits()?)?;
            let bias_in_logits = linear(&bias.unsqueeze(0)?, &self.unembedding)?;
            logits = (logits + in_logits.broadcast_add(&bias_in_logits)?)?;
            if layer + 1 < self.blocks.len() {
                token = token.broadcast_add(bias)?;
            }
            sources.extend(added);
        }
        let logits = logits.broadcast_add(&self.unembedding_bias)?;
        flow.read(&logits, Site::Logit, Grid::Fine)
    }

    /// Values that enter all residuals from that of layer `first` on, through a matrix.
    fn source(
        &self,
        values: Tensor,
        matrix: &Tensor,
        first: usize,
        flow: &mut Flow<'_>,
    ) -> Result<Source, ModelError> {
        let in_logits = self.unembedding.matmul(matrix)?;
        let residuals = (first..self.blocks.len()).map(|layer| (matrix, Site::Residual(layer)));
        let uses: Vec<_> = residuals.chain([(&in_logits, Site::Logit)]).collect();
        Ok(Source {
            values,
            first,
            matrices: flow.weights(&uses)?,
        })
    }

    /// Block 1 but for its attention.
    pub(crate) fn tables(&self, flow: &Flow<'_>) -> Result<Tables, ModelError> {
        let numerics = flow.numerics;
        let sums = self
            .position
            .unsqueeze(1)?
            .broadcast_add(&self.token.unsqueeze(0)?)?;
        let x = sums.flatten_to(1)?;
        let mean = (x.sqr()?.mean_keepdim(1)? + numerics.epsilon[0])?;
        let normalised = x.broadcast_div(&mean.sqrt()?)?;
        let block = &self.blocks[0];
        let up = linear(&normalised, &block.up.0)?.broadcast_add(&block.up.1)?;
        let hidden = activate(&up, block.activation)?;
        let mlp = linear(&hidden, &block.down.0)?.broadcast_add(&block.down.1)?;
        let project = |which: usize| -> Result<Tensor, ModelError> {
            let step = numerics.steps[0][which];
            let limit = f64::from(numerics.limits[0][which]);
            let projected = linear(&normalised, &block.projections[which])?;
            Ok((flow.round(&projected, step, limit)? / step)?)
        };
        let residual = (x + mlp)?;
        Ok(Tables {
            projections: [project(0)?, project(1)?, project(2)?],
            residual: match numerics.residual {
                Some(range) => flow.round(&residual, range / 127.0, 127.0)?,
                None => residual,
            },
        })
    }

    /// What attention makes of integers `[queries, keys, values]`, \[rows x width\] each; W_o is still to come.
    fn attention(
        &self,
        layer: usize,
        [query, key, value]: &[Tensor; 3],
        batch: &Batch,
        flow: &mut Flow<'_>,
    ) -> Result<Tensor, ModelError> {
        let numerics = flow.numerics;
        let (rows, pairs) = (batch.rows(), batch.query.elem_count());
        let by_head = (pairs, numerics.heads, query.dim(1)? / numerics.heads);
        let products = (query.index_select(&batch.query, 0)? * key.index_select(&batch.key, 0)?)?;
        let scores = products.reshape(by_head)?.sum(2)?;
        let step = numerics.score_step(layer, by_head.2);
        let scores = (flow.read(&scores, Site::Score(layer), Grid::Fine)? * step)?;
        let capped = match numerics.cap[layer] {
            Some(cap) => ((scores / cap)?.tanh()? * cap)?.exp()?,
            None => scores.exp()?,
        };
        let gain = numerics.gain[layer];
        let shares = capped.broadcast_mul(&(&batch.share * gain)?)?;
        let shares = flow.round(&shares, 1.0, f64::INFINITY)?;
        let sum = shares.zeros_like()?.narrow(0, 0, 1)?.repeat((rows, 1))?;
        let sum = sum.index_add(&batch.query, &shares, 0)?;
        let sum = flow.read(&sum, Site::Mean(layer), Grid::Fine)?;
        let values = value.index_select(&batch.key, 0)?.reshape(by_head)?;
        let weighted = values
            .broadcast_mul(&shares.unsqueeze(2)?)?
            .flatten_from(1)?;
        let mix = query.zeros_like()?.index_add(&batch.query, &weighted, 0)?;
        let mix = flow.read(&mix, Site::Mix(layer), Grid::Scaled)?;
        let sum = match numerics.form {
            Form::Plain => sum,
            Form::Circuit => sum.maximum(numerics.floor[layer] * gain)?,
        };
        let inverse = (sum.recip()? * numerics.steps[layer][2])?;
        let mix = mix.reshape((rows, by_head.1, by_head.2))?;
        let mixed = mix.broadcast_mul(&inverse.unsqueeze(2)?)?.flatten_from(1)?;
        flow.drop(&mixed)
    }

    /// What a block after the first adds: attention, then MLP.
    fn block(
        &self,
        layer: usize,
        x: &Tensor,
        batch: &Batch,
        flow: &mut Flow<'_>,
    ) -> Result<[Source; 2], ModelError> {
        let block = &self.blocks[layer];
        let normalised = norm(x, layer, flow)?;
        let [query, key, value] = &block.projections;
        let matrices = flow.weights(&[
            (query, Site::Projection(layer, 0)),
            (key, Site::Projection(layer, 1)),
            (value, Site::Projection(layer, 2)),
            (&block.up.0, Site::Up(layer)),
        ])?;
        let project = |which: usize, flow: &mut Flow<'_>| -> Result<Tensor, ModelError> {
            let step = flow.numerics.steps[layer][which];
            let limit = f64::from(flow.numerics.limits[layer][which]);
            let projected = linear(&normalised, &matrices[which])?;
            flow.keep(layer, which, &projected);
            let site = Site::Projection(layer, which);
            Ok((flow.read(&projected, site, Grid::Integers(step, limit))? / step)?)
        };
        let qkv = [project(0, flow)?, project(1, flow)?, project(2, flow)?];
        let mixed = self.attention(layer, &qkv, batch, flow)?;
        let up = linear(&normalised, &matrices[3])?.broadcast_add(&block.up.1)?;
        let up = flow.read(&up, Site::Up(layer), Grid::Fine)?;
        let hidden = flow.drop(&activate(&up, block.activation)?)?;
        Ok([
            self.source(mixed, &block.output, layer + 1, flow)?,
            self.source(hidden, &block.down.0, layer + 1, flow)?,
        ])
    }
}

/// `x / sqrt(mean of x^2)`. Squares and products read `x` apart, so each has noise of its own.
fn norm(x: &Tensor, layer: usize, flow: &mut Flow<'_>) -> Result<Tensor, ModelError> {
    let squares = flow.read(x, Site::Residual(layer), Grid::Fine)?.sqr()?;
    let mean = flow.read(
        &squares.mean_keepdim(D::Minus1)?,
        Site::MeanSquare(layer),
        Grid::Fine,
    )?;
    let mean = match flow.numerics.form {
        Form::Plain => (mean + flow.numerics.epsilon[layer])?,
        Form::Circuit => mean.maximum(flow.numerics.norm_floor[layer])?,
    };
    let inverse = mean.sqrt()?.recip()?;
    let scaled = flow.read(x, Site::Residual(layer), Grid::Scaled)?;
    Ok(scaled.broadcast_mul(&inverse)?)
}

/// What the first block's table, or a LUT, does to a value.
fn activate(x: &Tensor, function: Function) -> Result<Tensor, ModelError> {
    Ok(match function {
        Function::Gelu => x.gelu()?,
        Function::Relu => x.relu()?,
        Function::Tanh => x.tanh()?,
        Function::Identity => x.clone(),
        other => unreachable!("{other:?} is no activation"),
    })
}

fn linear(x: &Tensor, matrix: &Tensor) -> Result<Tensor, ModelError> {
    Ok(x.matmul(&matrix.t()?)?)
}
