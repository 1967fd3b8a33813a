//! The transformer that is trained.

use candle_core::{D, Device, Tensor, Var};
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

use super::data::{Batch, CONTEXT, VOCABULARY};
use super::flow::{Flow, Grid, Site};
use super::recipe::NamesRecipe;
use crate::error::ModelError;

/// All that is trained. Matrices are \[outputs x inputs\].
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    /// \[vocabulary x width\].
    pub(crate) token: Var,
    /// \[context x width\].
    pub(crate) position: Var,
    /// Two of them.
    pub(crate) blocks: Vec<BlockParameters>,
    /// \[vocabulary x width\].
    pub(crate) unembedding: Var,
    /// \[vocabulary\].
    pub(crate) unembedding_bias: Var,
}

/// One parallel block. Its norm needs no gain: every matrix that reads the norm has its own.
#[derive(Clone, Debug)]
pub(crate) struct BlockParameters {
    /// Queries, keys, values.
    pub(crate) projections: [Var; 3],
    /// W_o.
    pub(crate) output: Var,
    /// W_1 and its bias.
    pub(crate) up: (Var, Var),
    /// W_2 and its bias.
    pub(crate) down: (Var, Var),
}

/// Block 1 but for its attention, a row for each position and token.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    /// Integers of queries, keys, values.
    pub(crate) projections: [Tensor; 3],
    /// Embedding plus MLP.
    pub(crate) residual: Tensor,
}

impl Parameters {
    /// Random ones.
    pub(crate) fn new(recipe: &NamesRecipe, random: &mut StdRng) -> Result<Self, ModelError> {
        let width = recipe.width;
        Ok(Self {
            token: normal(VOCABULARY, width, 0.7, random)?,
            position: normal(CONTEXT, width, 0.3, random)?,
            blocks: vec![
                BlockParameters::new(width, recipe.tabulated_hidden, random)?,
                BlockParameters::new(width, recipe.hidden, random)?,
            ],
            unembedding: normal(VOCABULARY, width, 0.1, random)?,
            unembedding_bias: zeros(VOCABULARY)?,
        })
    }

    /// For the optimizer.
    pub(crate) fn all(&self) -> Vec<Var> {
        let mut all = vec![self.token.clone(), self.position.clone()];
        for block in &self.blocks {
            all.extend(block.projections.iter().cloned());
            all.push(block.output.clone());
            for (matrix, bias) in [&block.up, &block.down] {
                all.extend([matrix.clone(), bias.clone()]);
            }
        }
        all.extend([self.unembedding.clone(), self.unembedding_bias.clone()]);
        all
    }

    /// Logits, \[rows x vocabulary\].
    pub(crate) fn logits(&self, batch: &Batch, flow: &mut Flow<'_>) -> Result<Tensor, ModelError> {
        let tables = self.tables(flow)?;
        let select = |table: &Tensor| table.index_select(&batch.entry, 0);
        let [query, key, value] = &tables.projections;
        let qkv = [select(query)?, select(key)?, select(value)?];
        let token = flow.drop(&select(&tables.residual)?)?;
        let mixed = self.attention(0, &qkv, batch, flow)?;
        let output = &self.blocks[0].output;
        let [output, output_in_logits] = flow.weights([
            (output, Site::Residual),
            (&self.in_logits(output)?, Site::Logit),
        ])?;
        let x = (&token + linear(&mixed, &output)?)?;
        let logits = (linear(&token, &self.unembedding)? + linear(&mixed, &output_in_logits)?)?;
        let logits = (logits + self.second_block(&x, batch, flow)?)?;
        let logits = logits.broadcast_add(&self.unembedding_bias)?;
        flow.read(&logits, Site::Logit, Grid::Fine)
    }

    /// What a matrix into the residual adds to the logits.
    fn in_logits(&self, matrix: &Tensor) -> Result<Tensor, ModelError> {
        Ok(self.unembedding.matmul(matrix)?)
    }

    /// Block 1 but for its attention.
    pub(crate) fn tables(&self, flow: &Flow<'_>) -> Result<Tables, ModelError> {
        let recipe = flow.recipe;
        let sums = self
            .position
            .unsqueeze(1)?
            .broadcast_add(&self.token.unsqueeze(0)?)?;
        let x = sums.flatten_to(1)?;
        let normalised = x.broadcast_div(&(x.sqr()?.mean_keepdim(1)? + 1e-6)?.sqrt()?)?;
        let block = &self.blocks[0];
        let hidden = linear(&normalised, &block.up.0)?
            .broadcast_add(&block.up.1)?
            .gelu()?;
        let mlp = linear(&hidden, &block.down.0)?.broadcast_add(&block.down.1)?;
        let project = |which: usize| -> Result<Tensor, ModelError> {
            let (step, limit) = (recipe.steps[which], f64::from(recipe.limits[which]));
            let projected = linear(&normalised, &block.projections[which])?;
            Ok((flow.round(&projected, step, limit)? / step)?)
        };
        Ok(Tables {
            projections: [project(0)?, project(1)?, project(2)?],
            residual: flow.round(&(x + mlp)?, recipe.residual / 127.0, 127.0)?,
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
        let recipe = flow.recipe;
        let (rows, pairs) = (batch.rows(), batch.query.elem_count());
        let by_head = (pairs, recipe.heads, recipe.width / recipe.heads);
        let products = (query.index_select(&batch.query, 0)? * key.index_select(&batch.key, 0)?)?;
        let scores = products.reshape(by_head)?.sum(2)?;
        let scores = (flow.read(&scores, Site::Score(layer), Grid::Fine)? * recipe.score_step())?;
        let capped = ((scores / recipe.cap)?.tanh()? * recipe.cap)?.exp()?;
        let shares = capped.broadcast_mul(&(&batch.share * recipe.gain)?)?;
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
        let inverse = (sum.maximum(recipe.floor * recipe.gain)?.recip()? * recipe.steps[2])?;
        let mix = mix.reshape((rows, by_head.1, by_head.2))?;
        let mixed = mix.broadcast_mul(&inverse.unsqueeze(2)?)?.flatten_from(1)?;
        flow.drop(&mixed)
    }

    /// What block 2 adds to the logits.
    fn second_block(
        &self,
        x: &Tensor,
        batch: &Batch,
        flow: &mut Flow<'_>,
    ) -> Result<Tensor, ModelError> {
        let (recipe, block) = (flow.recipe, &self.blocks[1]);
        let normalised = norm(x, flow)?;
        let [query, key, value] = &block.projections;
        let [query, key, value, up] = flow.weights([
            (query, Site::Projection(0)),
            (key, Site::Projection(1)),
            (value, Site::Projection(2)),
            (&block.up.0, Site::Up),
        ])?;
        let project = |which: usize, weights, flow: &mut Flow<'_>| -> Result<Tensor, ModelError> {
            let (step, limit) = (recipe.steps[which], f64::from(recipe.limits[which]));
            let read = flow.read(
                &linear(&normalised, weights)?,
                Site::Projection(which),
                Grid::Integers(step, limit),
            )?;
            Ok((read / step)?)
        };
        let qkv = [
            project(0, &query, flow)?,
            project(1, &key, flow)?,
            project(2, &value, flow)?,
        ];
        let mixed = self.attention(1, &qkv, batch, flow)?;
        let up = linear(&normalised, &up)?.broadcast_add(&block.up.1)?;
        let hidden = flow.read(&up, Site::Up, Grid::Fine)?.gelu()?;
        let hidden = flow.drop(&hidden)?;
        let [output] = flow.weights([(&self.in_logits(&block.output)?, Site::Logit)])?;
        let [down] = flow.weights([(&self.in_logits(&block.down.0)?, Site::Logit)])?;
        let bias = linear(&block.down.1.unsqueeze(0)?, &self.unembedding)?;
        Ok((linear(&mixed, &output)? + linear(&hidden, &down)?)?.broadcast_add(&bias)?)
    }
}

impl BlockParameters {
    fn new(width: usize, hidden: usize, random: &mut StdRng) -> Result<Self, ModelError> {
        let std = (width as f32).sqrt().recip();
        let mut square = |std| normal(width, width, std, random);
        Ok(Self {
            projections: [square(std)?, square(std)?, square(std)?],
            output: square(0.5 * std)?,
            up: (normal(hidden, width, std, random)?, zeros(hidden)?),
            down: (
                normal(width, hidden, 0.5 / (hidden as f32).sqrt(), random)?,
                zeros(width)?,
            ),
        })
    }
}

/// `x / sqrt(mean of x^2)`. Squares and products read `x` apart, so each has noise of its own.
fn norm(x: &Tensor, flow: &mut Flow<'_>) -> Result<Tensor, ModelError> {
    let squares = flow.read(x, Site::Residual, Grid::Fine)?.sqr()?;
    let mean = flow.read(
        &squares.mean_keepdim(D::Minus1)?,
        Site::MeanSquare,
        Grid::Fine,
    )?;
    let inverse = mean.maximum(NORM_FLOOR)?.sqrt()?.recip()?;
    let scaled = flow.read(x, Site::Residual, Grid::Scaled)?;
    Ok(scaled.broadcast_mul(&inverse)?)
}

/// Smallest mean of squares that a norm tells apart from less.
pub(crate) const NORM_FLOOR: f64 = 0.05;

fn linear(x: &Tensor, matrix: &Tensor) -> Result<Tensor, ModelError> {
    Ok(x.matmul(&matrix.t()?)?)
}

fn normal(rows: usize, columns: usize, std: f32, random: &mut StdRng) -> Result<Var, ModelError> {
    let draw = |_| {
        let unit: f32 = StandardNormal.sample(random);
        std * unit
    };
    let data: Vec<f32> = (0..rows * columns).map(draw).collect();
    Ok(Var::from_vec(data, (rows, columns), &Device::Cpu)?)
}

fn zeros(length: usize) -> Result<Var, ModelError> {
    Ok(Var::from_vec(vec![0f32; length], length, &Device::Cpu)?)
}
