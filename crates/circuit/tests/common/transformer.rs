//! Random transformers, and their forward pass in real numbers as their documentation has it.

use cipherformer_circuit::transformer::{
    Attention, AttentionNumerics, BlockNumerics, Matrix, TokenTables, Transformer, TransformerBlock,
};
use cipherformer_circuit::{
    Bag, Circuit, CircuitError, Description, OutputPolicy, ParameterSet, Plain, Vocabulary,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The sizes of a random transformer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) vocabulary: usize,
    pub(crate) context: usize,
    pub(crate) heads: usize,
    pub(crate) head_width: usize,
    pub(crate) width: usize,
    pub(crate) hidden: usize,
    pub(crate) blocks: usize,
}

/// The logits after every token, without noise.
pub(crate) fn reference(circuit: &Circuit, tokens: &[usize]) -> Vec<Vec<f64>> {
    outputs(&mut Plain::reference(), circuit, tokens)
}

/// The same with noise.
pub(crate) fn simulate(circuit: &Circuit, tokens: &[usize], seed: u64) -> Vec<Vec<f64>> {
    outputs(&mut Plain::simulate(seed), circuit, tokens)
}

fn outputs(engine: &mut Plain, circuit: &Circuit, tokens: &[usize]) -> Vec<Vec<f64>> {
    let bags: Vec<Bag> = tokens.iter().copied().map(Bag::token).collect();
    engine.outputs(circuit, &bags).expect("tokens it knows")
}

/// Root mean square of the differences.
pub(crate) fn rms(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let pairs = || a.iter().flatten().zip(b.iter().flatten());
    let squares = pairs().map(|(a, b)| (a - b).powi(2));
    (squares.sum::<f64>() / pairs().count() as f64).sqrt()
}

/// Root mean square.
pub(crate) fn size(a: &[Vec<f64>]) -> f64 {
    let squares = a.iter().flatten().map(|x| x * x);
    (squares.sum::<f64>() / a.iter().flatten().count() as f64).sqrt()
}

pub(crate) fn transformer(sizes: Sizes, seed: u64) -> Transformer {
    let mut random = StdRng::seed_from_u64(seed);
    let inner = sizes.heads * sizes.head_width;
    let mut matrix = |rows: usize, columns: usize, norm: f32| {
        let limit = norm * (3.0 / columns as f32).sqrt();
        let data = (0..rows * columns).map(|_| random.random_range(-limit..=limit));
        Matrix::new(rows, columns, data.collect()).expect("it fits")
    };
    let attention: Vec<Attention> = (0..=sizes.blocks)
        .map(|_| Attention {
            output: matrix(sizes.width, inner, 0.7),
            numerics: attention_numerics(sizes.head_width as f64),
        })
        .collect();
    let blocks: Vec<TransformerBlock> = (0..sizes.blocks)
        .map(|_| TransformerBlock {
            numerics: BLOCK,
            query: matrix(inner, sizes.width, 1.0),
            key: matrix(inner, sizes.width, 1.0),
            value: matrix(inner, sizes.width, 1.0),
            up: matrix(sizes.hidden, sizes.width, 1.0),
            up_bias: matrix(1, sizes.hidden, 0.3).data().to_vec(),
            down: matrix(sizes.width, sizes.hidden, 0.7),
            down_bias: matrix(1, sizes.width, 0.1).data().to_vec(),
        })
        .collect();
    let residuals: Vec<Matrix> = (0..sizes.context)
        .map(|_| matrix(sizes.vocabulary, sizes.width, (sizes.width as f32).sqrt()))
        .collect();
    let unembedding = matrix(sizes.vocabulary, sizes.width, 1.0);
    let unembedding_bias = matrix(1, sizes.vocabulary, 0.5).data().to_vec();
    let mut rows = |limit: i8| -> Vec<Vec<i8>> {
        let mut row = || {
            (0..inner)
                .map(|_| random.random_range(-limit..=limit))
                .collect()
        };
        (0..sizes.vocabulary).map(|_| row()).collect()
    };
    let positions = residuals.into_iter().map(|residual| TokenTables {
        queries: rows(5),
        keys: rows(5),
        values: rows(3),
        residual,
    });
    Transformer {
        heads: sizes.heads,
        positions: positions.collect(),
        attention,
        blocks,
        unembedding,
        unembedding_bias,
        logit_range: 8.0,
    }
}

fn attention_numerics(width: f64) -> AttentionNumerics {
    AttentionNumerics {
        score_step: 0.1,
        score_range: 40.0 * width.sqrt(),
        cap: 1.0,
        gain: 16.0,
        floor: 0.3,
        mean_range: 2.7,
        mix_range: 16.0 * 2.8 * 3.0,
        value_step: 0.3,
    }
}

const BLOCK: BlockNumerics = BlockNumerics {
    residual_range: 6.0,
    mean_square_range: [0.2, 4.0],
    floor: 0.1,
    projection_range: [5.0; 3],
    projection_step: [0.5, 0.5, 0.7],
    projection_limit: [5, 5, 3],
    up_range: 5.0,
};

pub(crate) fn circuit(model: &Transformer, parameters: &ParameterSet) -> Circuit {
    try_circuit(model, parameters).expect("a valid circuit")
}

pub(crate) fn try_circuit(
    model: &Transformer,
    parameters: &ParameterSet,
) -> Result<Circuit, CircuitError> {
    let count = model.unembedding.rows();
    let tokens: Vec<String> = (0..count).map(|i| format!("t{i}")).collect();
    let description = Description {
        name: "test".to_owned(),
        description: "random weights".to_owned(),
        parameter_set: parameters.name.to_owned(),
        labels: tokens.clone(),
        policy: OutputPolicy::Scores,
    };
    let vocabulary = Vocabulary::new(tokens, 1, 1).expect("distinct");
    Circuit::new(description, vocabulary, model.clone())
}

/// Logits of every position, in real numbers: grids where the documentation has them, no torus.
pub(crate) fn forward(model: &Transformer, tokens: &[usize]) -> Vec<Vec<f64>> {
    let mut caches = vec![(Vec::new(), Vec::new()); model.attention.len()];
    let mut logits = Vec::new();
    for (position, &token) in tokens.iter().enumerate() {
        let tables = &model.positions[position];
        let real = |row: &[i8]| row.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let mut x: Vec<f64> = tables
            .residual
            .row(token)
            .iter()
            .map(|&x| f64::from(x))
            .collect();
        let query = real(&tables.queries[token]);
        caches[0].0.push(real(&tables.keys[token]));
        caches[0].1.push(real(&tables.values[token]));
        let mixed = attend(model, 0, &query, &caches[0]);
        add(&mut x, &apply(&model.attention[0].output, &mixed));
        for (index, block) in model.blocks.iter().enumerate() {
            let normalised = norm(&x, &block.numerics);
            let project = |matrix: &Matrix, i: usize| -> Vec<f64> {
                let limit = f64::from(block.numerics.projection_limit[i]);
                let step = block.numerics.projection_step[i];
                let values = apply(matrix, &normalised);
                values
                    .iter()
                    .map(|v| (v / step).clamp(-limit, limit).round())
                    .collect()
            };
            let query = project(&block.query, 0);
            caches[index + 1].0.push(project(&block.key, 1));
            caches[index + 1].1.push(project(&block.value, 2));
            let mixed = attend(model, index + 1, &query, &caches[index + 1]);
            let mut hidden = apply(&block.up, &normalised);
            for (h, &b) in hidden.iter_mut().zip(&block.up_bias) {
                *h = cipherformer_circuit::Function::Gelu.evaluate(*h + f64::from(b));
            }
            add(&mut x, &apply(&model.attention[index + 1].output, &mixed));
            add(&mut x, &apply(&block.down, &hidden));
            let bias: Vec<f64> = block.down_bias.iter().map(|&b| f64::from(b)).collect();
            add(&mut x, &bias);
        }
        let mut row = apply(&model.unembedding, &x);
        let bias: Vec<f64> = model
            .unembedding_bias
            .iter()
            .map(|&b| f64::from(b))
            .collect();
        add(&mut row, &bias);
        logits.push(row);
    }
    logits
}

fn norm(x: &[f64], numerics: &BlockNumerics) -> Vec<f64> {
    let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    let root = mean.max(numerics.floor).sqrt();
    x.iter().map(|x| x / root).collect()
}

fn attend(
    model: &Transformer,
    layer: usize,
    query: &[f64],
    (keys, values): &(Vec<Vec<f64>>, Vec<Vec<f64>>),
) -> Vec<f64> {
    let numerics = &model.attention[layer].numerics;
    let width = query.len() / model.heads;
    let count = keys.len() as f64;
    let mut mixed = vec![0.0; query.len()];
    for head in 0..model.heads {
        let range = head * width..(head + 1) * width;
        let weights: Vec<f64> = keys
            .iter()
            .map(|key| {
                let dot: f64 = range.clone().map(|i| query[i] * key[i]).sum();
                let capped = numerics.cap * (numerics.score_step * dot / numerics.cap).tanh();
                (numerics.gain / count * capped.exp()).round()
            })
            .collect();
        let sum = weights
            .iter()
            .sum::<f64>()
            .max(numerics.floor * numerics.gain);
        for i in range {
            let terms = weights.iter().zip(values).map(|(u, v)| u * v[i]);
            mixed[i] = numerics.value_step * terms.sum::<f64>() / sum;
        }
    }
    mixed
}

fn apply(matrix: &Matrix, x: &[f64]) -> Vec<f64> {
    (0..matrix.rows())
        .map(|row| {
            let terms = matrix.row(row).iter().zip(x);
            terms.map(|(&w, x)| f64::from(w) * x).sum()
        })
        .collect()
}

fn add(x: &mut [f64], y: &[f64]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}
