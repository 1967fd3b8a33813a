//! Lowering a transformer: one list of operations for each position.
//!
//! Queries, keys, values and exponentials are integers over a modulus, so that ring products of them are
//! right. Everything else is fixed point. Linear maps between two LUTs are composed before they are
//! rounded: logits come straight from attention outputs and hidden activations, never from a residual
//! that was computed on the way.

mod attention;
mod block;
mod layout;
mod operations;
mod scales;

use layout::Layout;
use scales::Scales;

use crate::check::{check_finite, no_room};
use crate::error::CircuitError;
use crate::graph::{IntMatrix, Node, NodeId};
use crate::parameters::ParameterSet;
use crate::policy::OutputPolicy;
use crate::transformer::{MARGIN, Matrix, Transformer};

/// Lowers every position of the context.
///
/// # Errors
/// Ranges and noise for which no scale leaves room.
pub(crate) fn lower_transformer(
    model: &Transformer,
    policy: OutputPolicy,
    parameters: &'static ParameterSet,
) -> Result<Vec<Vec<Node>>, CircuitError> {
    let scales = Scales::new(model, policy, parameters)?;
    let mut cached = vec![0.0; 2 * model.heads * model.attention.len()];
    let positions = 0..model.positions.len();
    positions
        .map(|position| {
            let mut builder = Builder {
                model,
                parameters,
                scales: &scales,
                layout: Layout::new(model, parameters),
                position,
                cached: &mut cached,
                nodes: Vec::new(),
            };
            builder.build()?;
            check_finite(&builder.nodes)?;
            Ok(builder.nodes)
        })
        .collect()
}

/// The encrypted sources that later layers add up: outputs of LUTs, and the matrices that put them
/// into the residual.
struct Source<'a> {
    node: NodeId,
    matrix: &'a Matrix,
    /// The matrix that puts them into the logits.
    in_logits: &'a Matrix,
    /// Torus units per real unit.
    scale: f64,
}

struct Builder<'a> {
    model: &'a Transformer,
    parameters: &'static ParameterSet,
    scales: &'a Scales,
    layout: Layout,
    position: usize,
    /// Energy of what each of the session's ciphertexts holds.
    cached: &'a mut [f64],
    nodes: Vec<Node>,
}

impl<'a> Builder<'a> {
    fn build(&mut self) -> Result<(), CircuitError> {
        let [query, key, value] = self.token_projections()?;
        let mixed = self.attention(0, query, key, value)?;
        let mut sources = vec![self.attention_source(0, mixed)];
        for index in 0..self.model.blocks.len() {
            let layer = index + 1;
            let residual = self.residual(layer, &sources)?;
            let normalised = self.norm(layer, residual);
            let [query, key, value] = self.projections(layer, normalised);
            let mixed = self.attention(layer, query, key, value)?;
            let hidden = self.hidden(layer, normalised);
            sources.push(self.attention_source(layer, mixed));
            sources.push(Source {
                node: hidden,
                matrix: &self.model.blocks[index].down,
                in_logits: &self.scales.hidden_in_logits[index],
                scale: self.scales.blocks[index].hidden,
            });
        }
        self.logits(&sources)?;
        self.scales.ending.append(&mut self.nodes)
    }

    fn attention_source(&self, layer: usize, node: NodeId) -> Source<'a> {
        Source {
            node,
            matrix: &self.model.attention[layer].output,
            in_logits: &self.scales.attention_in_logits[layer],
            scale: self.scales.attention[layer].output,
        }
    }

    /// Queries, keys and values of block 1: integers that depend on token and position alone.
    fn token_projections(&mut self) -> Result<[NodeId; 3], CircuitError> {
        let tables = &self.model.positions[self.position];
        let attention = self.scales.attention[0];
        let mut lookup = |what: &str, rows: &[Vec<i8>], modulus: u64| {
            let multiplier = (self.scales.token_modulus / modulus) as u32;
            let width = rows.first().map_or(0, Vec::len);
            let table = IntMatrix::new(rows.len(), width, rows.concat())
                .ok_or_else(|| no_room("token tables", 1.0))?;
            Ok(self.lookup(what, table, multiplier, 1.0 / modulus as f64))
        };
        Ok([
            lookup("block1.query", &tables.queries, attention.score_modulus)?,
            lookup("block1.key", &tables.keys, attention.score_modulus)?,
            lookup("block1.value", &tables.values, attention.mix_modulus)?,
        ])
    }

    /// The residual that enters a block: the token's part, plus what came out of earlier blocks.
    fn residual(&mut self, layer: usize, sources: &[Source<'_>]) -> Result<NodeId, CircuitError> {
        let tokens = self.model.token_residual(self.position, layer);
        let scale = self.scales.blocks[layer - 1].residual;
        let range = self.model.blocks[layer - 1].numerics.residual_range;
        let name = format!("block{}.residual", layer + 1);
        let matrices: Vec<&Matrix> = sources.iter().map(|source| source.matrix).collect();
        self.sum(&name, &tokens, sources, &matrices, scale, range)
    }

    fn logits(&mut self, sources: &[Source<'_>]) -> Result<NodeId, CircuitError> {
        let model = self.model;
        let tokens = model.token_logits(self.position);
        let matrices: Vec<&Matrix> = sources.iter().map(|source| source.in_logits).collect();
        let scale = self.scales.logits;
        self.sum(
            "logits",
            &tokens,
            sources,
            &matrices,
            scale,
            model.logit_range,
        )
    }

    /// `scale * (tokens[token] + sum of matrix * source)`, with |what is scaled| at most `range`.
    fn sum(
        &mut self,
        name: &str,
        tokens: &Matrix,
        sources: &[Source<'_>],
        matrices: &[&Matrix],
        scale: f64,
        range: f64,
    ) -> Result<NodeId, CircuitError> {
        let largest = tokens.data().iter().fold(0.0, |m: f32, x| m.max(x.abs()));
        let unit = 1.0 / self.scales.token_modulus as f64;
        let multiplier = (f64::from(largest) * scale / (127.0 * unit))
            .ceil()
            .max(1.0);
        let table = integers(tokens, scale / (multiplier * unit));
        let tokens = self.lookup(&format!("{name}.token"), table, multiplier as u32, scale);
        let width = matrices[0].rows();
        let weights = (0..width).map(|row| {
            let mut weights = vec![0i8; width];
            weights[row] = 1;
            for (source, matrix) in sources.iter().zip(matrices) {
                weights.extend(integers_of(matrix.row(row), scale / source.scale));
            }
            weights
        });
        let weights = weights.collect::<Vec<_>>();
        let mut inputs = vec![tokens];
        inputs.extend(sources.iter().map(|source| source.node));
        let value = (scale, range * MARGIN * scale);
        Ok(self.linear(name, inputs, &weights, vec![0.0; width], value))
    }
}

/// Rows of integers: every weight times `factor`, rounded.
fn rows(matrix: &Matrix, factor: f64) -> Vec<Vec<i8>> {
    (0..matrix.rows())
        .map(|row| integers_of(matrix.row(row), factor))
        .collect()
}

fn integers_of(row: &[f32], factor: f64) -> Vec<i8> {
    let integer = |&w: &f32| (f64::from(w) * factor).round() as i8;
    row.iter().map(integer).collect()
}

fn integers(matrix: &Matrix, factor: f64) -> IntMatrix {
    let data = integers_of(matrix.data(), factor);
    IntMatrix::new(matrix.rows(), matrix.columns(), data).expect("as many as before")
}
