//! Lowering a transformer: one list of operations for each position.
//!
//! Queries, keys, values and exponentials are integers over a modulus, so that ring products of them are
//! right. Everything else is fixed point. Linear maps between two LUTs are composed before they are
//! rounded: logits come straight from attention outputs and hidden activations, never from a residual
//! that was computed on the way.

use super::layout::Layout;
use super::scales::{AttentionScales, Scales};
use super::{LUT_HALF_RANGE, response, room};
use crate::check::{check_finite, no_room};
use crate::error::CircuitError;
use crate::function::Function;
use crate::graph::{IntMatrix, LutCell, Node, NodeId, Op, Value};
use crate::parameters::ParameterSet;
use crate::transformer::{MARGIN, Matrix, SCALED_LEVELS, Transformer};

/// Lowers every position of the context.
///
/// # Errors
/// Ranges and noise for which no scale leaves room.
pub(crate) fn lower_transformer(
    model: &Transformer,
    parameters: &'static ParameterSet,
) -> Result<Vec<Vec<Node>>, CircuitError> {
    let scales = Scales::new(model, parameters)?;
    let positions = 0..model.positions.len();
    positions
        .map(|position| {
            let mut builder = Builder {
                model,
                parameters,
                scales: &scales,
                layout: Layout::new(model, parameters),
                position,
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
    /// Torus units per real unit.
    scale: f64,
}

struct Builder<'a> {
    model: &'a Transformer,
    parameters: &'static ParameterSet,
    scales: &'a Scales,
    layout: Layout,
    position: usize,
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
            let normalised = self.norm(layer, residual)?;
            let [query, key, value] = self.projections(layer, normalised)?;
            let mixed = self.attention(layer, query, key, value)?;
            let hidden = self.hidden(layer, normalised)?;
            sources.push(self.attention_source(layer, mixed));
            sources.push(Source {
                node: hidden,
                matrix: &self.model.blocks[index].down,
                scale: self.scales.blocks[index].hidden,
            });
        }
        self.logits(&sources)?;
        let response = response(&self.nodes, self.parameters);
        self.nodes.push(response);
        Ok(())
    }

    fn attention_source(&self, layer: usize, node: NodeId) -> Source<'a> {
        Source {
            node,
            matrix: &self.model.attention[layer].output,
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
                .ok_or_else(|| no_room("token tables"))?;
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
        let matrices: Vec<Matrix> = sources.iter().map(|s| s.matrix.clone()).collect();
        self.sum(&name, &tokens, sources, &matrices, scale, range)
    }

    fn logits(&mut self, sources: &[Source<'_>]) -> Result<NodeId, CircuitError> {
        let model = self.model;
        let tokens = model.token_logits(self.position);
        let matrices: Vec<Matrix> = sources
            .iter()
            .map(|source| model.unembedding.times(source.matrix))
            .collect();
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
        matrices: &[Matrix],
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

    /// x times 1 / sqrt(mean of squares): a LUT a value for the squares, one for the root, one a value
    /// for the product.
    fn norm(&mut self, layer: usize, residual: NodeId) -> Result<NodeId, CircuitError> {
        let numerics = &self.model.blocks[layer - 1].numerics;
        let scales = &self.scales.blocks[layer - 1];
        let width = self.nodes[residual.0].values.len();
        let [low, high] = numerics.mean_square_bounds();
        let half = self.lut_room();
        let square = 2.0 * half / (width as f64 * (high - low));
        let name = format!("block{}.norm", layer + 1);
        let cell = LutCell {
            function: Function::Square,
            input_scale: scales.residual,
            input_bias: 0.0,
            output_scale: square,
            rounded: false,
        };
        let squares = self.lut(
            &format!("{name}.squares"),
            vec![residual],
            vec![cell; width],
        );
        let mean_scale = square * width as f64;
        let centre = (high + low) / 2.0;
        let mean = self.linear(
            &format!("{name}.mean"),
            vec![squares],
            &[vec![1; width]],
            vec![-mean_scale * centre],
            (mean_scale, half),
        );
        let cell = LutCell {
            function: Function::InverseSqrt {
                floor: numerics.floor,
            },
            input_scale: mean_scale,
            input_bias: centre,
            output_scale: scales.normalised / (4.0 * f64::from(SCALED_LEVELS) * scales.residual),
            rounded: false,
        };
        let root = self.lut(&format!("{name}.root"), vec![mean], vec![cell]);
        Ok(self.scaled_lut(
            &format!("{name}.product"),
            vec![residual],
            root,
            scales.normalised,
        ))
    }

    /// Integers of queries, keys and values.
    fn projections(
        &mut self,
        layer: usize,
        normalised: NodeId,
    ) -> Result<[NodeId; 3], CircuitError> {
        let block = &self.model.blocks[layer - 1];
        let (numerics, scales) = (&block.numerics, &self.scales.blocks[layer - 1]);
        let attention = self.scales.attention[layer];
        let (scores, mix) = (attention.score_modulus, attention.mix_modulus);
        let parts = [
            ("query", &block.query, scores),
            ("key", &block.key, scores),
            ("value", &block.value, mix),
        ];
        let mut nodes = [NodeId(0); 3];
        for (i, (what, matrix, modulus)) in parts.into_iter().enumerate() {
            let name = format!("block{}.{what}", layer + 1);
            let scale = scales.projections[i];
            let bound = numerics.projection_range[i] * MARGIN * scale;
            let weights = rows(matrix, scale / scales.normalised);
            let bias = vec![0.0; weights.len()];
            let linear = self.linear(&name, vec![normalised], &weights, bias, (scale, bound));
            let cell = LutCell {
                function: Function::Clamp {
                    limit: f64::from(numerics.projection_limit[i]),
                },
                input_scale: scale * numerics.projection_step[i],
                input_bias: 0.0,
                output_scale: 1.0 / modulus as f64,
                rounded: true,
            };
            nodes[i] = self.lut(&name, vec![linear], vec![cell; weights.len()]);
        }
        Ok(nodes)
    }

    fn hidden(&mut self, layer: usize, normalised: NodeId) -> Result<NodeId, CircuitError> {
        let block = &self.model.blocks[layer - 1];
        let scales = &self.scales.blocks[layer - 1];
        let name = format!("block{}.mlp", layer + 1);
        let weights = rows(&block.up, scales.up / scales.normalised);
        let bias = block.up_bias.iter().map(|&b| f64::from(b) * scales.up);
        let bound = block.numerics.up_range * MARGIN * scales.up;
        let linear = self.linear(
            &name,
            vec![normalised],
            &weights,
            bias.collect(),
            (scales.up, bound),
        );
        let cell = LutCell {
            function: Function::Gelu,
            input_scale: scales.up,
            input_bias: 0.0,
            output_scale: scales.hidden,
            rounded: false,
        };
        Ok(self.lut(&name, vec![linear], vec![cell; weights.len()]))
    }

    /// Softmax attention of this position over all up to it: two ring products a head.
    fn attention(
        &mut self,
        layer: usize,
        query: NodeId,
        key: NodeId,
        value: NodeId,
    ) -> Result<NodeId, CircuitError> {
        let name = format!("block{}.attention", layer + 1);
        let heads = self.model.heads;
        let scales = self.scales.attention[layer];
        let mut scores = Vec::new();
        let mut values = Vec::new();
        for head in 0..heads {
            let from = self.layout.head(head);
            let cache = 2 * (layer * heads + head);
            let (slots, shift) = self.layout.key(self.position);
            let query = self.pack(&name, query, from.clone(), self.layout.query());
            let new = self.pack(&name, key, from.clone(), slots);
            let keys = self.append(&name, cache, shift, new);
            let (slots, shift) = self.layout.value(self.position);
            let new = self.pack(&name, value, from, slots);
            values.push(self.append(&name, cache + 1, shift, new));
            let outputs = self.layout.scores(self.position);
            let (modulus, range) = (scales.score_modulus, scales.score_range);
            let score = self.product(&name, modulus, outputs, [query, keys], range);
            scores.push(score);
        }
        let exponentials = self.exponentials(layer, &name, scores);
        let reciprocals = self.reciprocals(layer, &name, exponentials)?;
        let mut mixed = Vec::new();
        for (head, values) in values.into_iter().enumerate() {
            let count = self.position + 1;
            let from = (head * count..(head + 1) * count).collect();
            let weights = self.pack(
                &name,
                exponentials,
                from,
                self.layout.weights(self.position),
            );
            let (modulus, range) = (scales.mix_modulus, scales.mix_range);
            let outputs = self.layout.mixed();
            mixed.push(self.product(&name, modulus, outputs, [weights, values], range));
        }
        Ok(self.scaled_lut(&format!("{name}.mean"), mixed, reciprocals, scales.output))
    }

    /// exp of every score, as integers over the mix modulus.
    fn exponentials(&mut self, layer: usize, name: &str, scores: Vec<NodeId>) -> NodeId {
        let numerics = &self.model.attention[layer].numerics;
        let scales = self.scales.attention[layer];
        let count = self.position + 1;
        let cell = LutCell {
            function: Function::CappedExp {
                cap: numerics.cap,
                gain: numerics.gain / count as f64,
            },
            input_scale: 1.0 / (scales.score_modulus as f64 * numerics.score_step),
            input_bias: 0.0,
            output_scale: 1.0 / scales.mix_modulus as f64,
            rounded: true,
        };
        let cells = vec![cell; count * self.model.heads];
        self.lut(&format!("{name}.exp"), scores, cells)
    }

    /// One over the sum of every head's exponentials, at the scale that [`Builder::scaled_lut`] needs to
    /// make real averages of mixed values.
    fn reciprocals(
        &mut self,
        layer: usize,
        name: &str,
        exponentials: NodeId,
    ) -> Result<NodeId, CircuitError> {
        let numerics = &self.model.attention[layer].numerics;
        let AttentionScales {
            mix_modulus,
            output,
            ..
        } = self.scales.attention[layer];
        let modulus = mix_modulus as f64;
        let (heads, count) = (self.model.heads, self.position + 1);
        let largest = numerics.mean_range * numerics.gain * MARGIN;
        let half = self.lut_room();
        let weight = (2.0 * half * modulus / largest).floor().min(127.0);
        if weight < 1.0 {
            return Err(no_room(&format!("{name}.sum")));
        }
        let ones = (0..heads).map(|head| {
            let mut weights = vec![0; heads * count];
            weights[head * count..(head + 1) * count].fill(weight as i8);
            weights
        });
        let scale = weight / modulus;
        let bias = vec![-scale * largest / 2.0; heads];
        let sum_name = format!("{name}.sum");
        let ones: Vec<Vec<i8>> = ones.collect();
        let bound = (scale, scale * largest / 2.0);
        let sums = self.linear(&sum_name, vec![exponentials], &ones, bias, bound);
        let cell = LutCell {
            function: Function::Reciprocal {
                floor: numerics.floor * numerics.gain,
            },
            input_scale: scale,
            input_bias: largest / 2.0,
            output_scale: output * numerics.value_step * modulus / (4.0 * f64::from(SCALED_LEVELS)),
            rounded: false,
        };
        Ok(self.lut(&sum_name, vec![sums], vec![cell; heads]))
    }

    // From here on, single operations: what is known of their outputs.

    fn lookup(&mut self, name: &str, table: IntMatrix, multiplier: u32, scale: f64) -> NodeId {
        let input_scale = 1.0 / self.scales.token_modulus as f64;
        let unit = f64::from(multiplier);
        let values = (0..table.columns()).map(|column| {
            let entries = || table.column(column).map(|w| f64::from(w).abs());
            let squares: f64 = entries().map(|w| w * w).sum();
            Value {
                scale,
                bound: entries().fold(0.0, f64::max) * unit * input_scale,
                variance: squares * unit * unit * self.parameters.request_variance(),
            }
        });
        let values = values.collect();
        let op = Op::Lookup {
            table,
            multiplier,
            input_scale,
        };
        self.push(name, op, Vec::new(), values, 0.0)
    }

    /// All outputs share scale and bound.
    fn linear(
        &mut self,
        name: &str,
        inputs: Vec<NodeId>,
        weights: &[Vec<i8>],
        bias: Vec<f64>,
        (scale, bound): (f64, f64),
    ) -> NodeId {
        let variances = self.variances(&inputs);
        let values = weights.iter().map(|row| {
            let terms = row.iter().zip(&variances);
            let variance = terms.map(|(&w, v)| f64::from(w).powi(2) * v).sum();
            Value {
                scale,
                bound,
                variance,
            }
        });
        let values = values.collect();
        let weights = IntMatrix::new(weights.len(), variances.len(), weights.concat())
            .expect("every row has a weight for every input");
        self.push(name, Op::Linear { weights, bias }, inputs, values, 0.0)
    }

    fn lut(&mut self, name: &str, inputs: Vec<NodeId>, cells: Vec<LutCell>) -> NodeId {
        let values = cells.iter().map(|cell| Value {
            scale: cell.output_scale,
            bound: 0.5,
            variance: self.parameters.lut_output_variance(),
        });
        let values = values.collect();
        self.push(name, Op::Lut { cells }, inputs, values, 0.0)
    }

    fn scaled_lut(
        &mut self,
        name: &str,
        mut inputs: Vec<NodeId>,
        scales: NodeId,
        scale: f64,
    ) -> NodeId {
        let count = self.variances(&inputs).len();
        let variance = self.parameters.lut_output_variance();
        let value = Value {
            scale,
            bound: 0.5,
            variance: self
                .parameters
                .scaled_lut_output_variance(SCALED_LEVELS, variance),
        };
        inputs.push(scales);
        let op = Op::ScaledLut {
            levels: SCALED_LEVELS,
        };
        self.push(name, op, inputs, vec![value; count], 0.0)
    }

    fn pack(&mut self, name: &str, input: NodeId, from: Vec<usize>, slots: Vec<usize>) -> NodeId {
        let variances = self.variances(&[input]);
        let carried: f64 = from.iter().map(|&i| variances[i]).sum();
        let energy = carried + self.parameters.packing_energy(&slots);
        self.push(
            name,
            Op::Pack { from, slots },
            vec![input],
            Vec::new(),
            energy,
        )
    }

    /// Every earlier position has added as much noise as this one.
    fn append(&mut self, name: &str, cache: usize, shift: usize, new: NodeId) -> NodeId {
        let energy = self.nodes[new.0].energy * (self.position + 1) as f64;
        let op = Op::Append { cache, shift };
        self.push(name, op, vec![new], Vec::new(), energy)
    }

    fn product(
        &mut self,
        name: &str,
        modulus: u64,
        outputs: Vec<usize>,
        factors: [NodeId; 2],
        range: f64,
    ) -> NodeId {
        let [a, b] = factors.map(|id| self.nodes[id.0].energy);
        let value = Value {
            scale: 1.0 / modulus as f64,
            bound: range * MARGIN / modulus as f64,
            variance: self.parameters.product_variance(modulus, a, b),
        };
        let values = vec![value; outputs.len()];
        let op = Op::Product { modulus, outputs };
        self.push(name, op, factors.to_vec(), values, 0.0)
    }

    fn variances(&self, inputs: &[NodeId]) -> Vec<f64> {
        let values = inputs.iter().flat_map(|id| &self.nodes[id.0].values);
        values.map(|value| value.variance).collect()
    }

    fn lut_room(&self) -> f64 {
        room(LUT_HALF_RANGE, 2.0 * self.parameters.lut_input_variance())
    }

    fn push(
        &mut self,
        name: &str,
        op: Op,
        inputs: Vec<NodeId>,
        values: Vec<Value>,
        energy: f64,
    ) -> NodeId {
        self.nodes.push(Node {
            name: name.to_owned(),
            op,
            inputs,
            values,
            energy,
        });
        NodeId(self.nodes.len() - 1)
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
