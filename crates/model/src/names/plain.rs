//! The forward pass as the transformer's documentation has it, in `f64`: what the export is checked with.

use cipherformer_circuit::Function;
use cipherformer_circuit::transformer::{
    Attention, MARGIN, Matrix, SCALED_LEVELS, TokenTables, Transformer, TransformerBlock,
};

use super::data::END;

/// Mean cross-entropy over names without end marks.
pub(crate) fn loss(transformer: &Transformer, names: &[Vec<u8>]) -> f64 {
    let (mut sum, mut rows) = (0.0, 0);
    for name in names {
        let inputs: Vec<u8> = [END].into_iter().chain(name.iter().copied()).collect();
        for (position, logits) in logits(transformer, &inputs).iter().enumerate() {
            let target = *name.get(position).unwrap_or(&END);
            let partition: f64 = logits.iter().map(|logit| logit.exp()).sum();
            sum += partition.ln() - logits[usize::from(target)];
            rows += 1;
        }
    }
    sum / f64::from(rows)
}

/// Logits after every token.
fn logits(transformer: &Transformer, tokens: &[u8]) -> Vec<Vec<f64>> {
    let tables = || transformer.positions.iter().zip(tokens);
    let rows = |part: fn(&TokenTables) -> &[Vec<i8>]| -> Vec<Vec<f64>> {
        let row = |(t, &token): (_, &u8)| real(&part(t)[usize::from(token)]);
        tables().map(row).collect()
    };
    let mut qkv = [rows(|t| &t.queries), rows(|t| &t.keys), rows(|t| &t.values)];
    let residual = |(t, &token): (&TokenTables, &u8)| real(t.residual.row(usize::from(token)));
    let mut x: Vec<Vec<f64>> = tables().map(residual).collect();
    add(&mut x, &attend(transformer, 0, &qkv));
    for (block, layer) in transformer.blocks.iter().zip(1..) {
        let normalised: Vec<Vec<f64>> = x.iter().map(|row| norm(block, row)).collect();
        for (which, matrix) in [&block.query, &block.key, &block.value]
            .into_iter()
            .enumerate()
        {
            let row = |n: &Vec<f64>| integers(block, which, &times(matrix, n));
            qkv[which] = normalised.iter().map(row).collect();
        }
        add(&mut x, &attend(transformer, layer, &qkv));
        let mlp: Vec<Vec<f64>> = normalised.iter().map(|row| mlp(block, row)).collect();
        add(&mut x, &mlp);
    }
    let bias = &transformer.unembedding_bias;
    x.iter()
        .map(|row| plus(times(&transformer.unembedding, row), bias))
        .collect()
}

fn real<T: Copy + Into<f64>>(row: &[T]) -> Vec<f64> {
    row.iter().map(|&v| v.into()).collect()
}

/// W_o times attention, for every row.
fn attend(transformer: &Transformer, layer: usize, qkv: &[Vec<Vec<f64>>; 3]) -> Vec<Vec<f64>> {
    let attention = &transformer.attention[layer];
    let width = attention.output.columns() / transformer.heads;
    let head = |row, h: usize| head(attention, qkv, row, h * width..(h + 1) * width);
    let row = |row| {
        let mixed: Vec<f64> = (0..transformer.heads).flat_map(|h| head(row, h)).collect();
        times(&attention.output, &mixed)
    };
    (0..qkv[0].len()).map(row).collect()
}

fn head(
    attention: &Attention,
    [queries, keys, values]: &[Vec<Vec<f64>>; 3],
    row: usize,
    columns: std::ops::Range<usize>,
) -> Vec<f64> {
    let n = &attention.numerics;
    let share = |j: usize| {
        let product: f64 = columns.clone().map(|i| queries[row][i] * keys[j][i]).sum();
        let score = n.cap * (n.score_step * product / n.cap).tanh();
        (n.gain / (row + 1) as f64 * score.exp()).round()
    };
    let shares: Vec<f64> = (0..=row).map(share).collect();
    let sum: f64 = shares.iter().sum();
    let mix = |i: usize| {
        let mix: f64 = shares.iter().zip(values).map(|(u, v)| u * v[i]).sum();
        n.value_step * cut(mix, n.mix_range) / sum.max(n.floor * n.gain)
    };
    columns.clone().map(mix).collect()
}

fn norm(block: &TransformerBlock, x: &[f64]) -> Vec<f64> {
    let n = &block.numerics;
    let mean = x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64;
    let inverse = mean.max(n.floor).sqrt().recip();
    x.iter()
        .map(|&v| cut(v, n.residual_range) * inverse)
        .collect()
}

fn integers(block: &TransformerBlock, which: usize, projected: &[f64]) -> Vec<f64> {
    let (step, limit) = (
        block.numerics.projection_step[which],
        block.numerics.projection_limit[which],
    );
    let limit = f64::from(limit);
    projected
        .iter()
        .map(|v| (v / step).round().clamp(-limit, limit))
        .collect()
}

fn mlp(block: &TransformerBlock, normalised: &[f64]) -> Vec<f64> {
    let up = plus(times(&block.up, normalised), &block.up_bias);
    let hidden: Vec<f64> = up.iter().map(|&v| Function::Gelu.evaluate(v)).collect();
    plus(times(&block.down, &hidden), &block.down_bias)
}

fn cut(value: f64, range: f64) -> f64 {
    let levels = f64::from(SCALED_LEVELS);
    let step = range * MARGIN / levels;
    (value / step).round().clamp(-levels, levels) * step
}

fn times(matrix: &Matrix, x: &[f64]) -> Vec<f64> {
    let dot = |row| {
        matrix
            .row(row)
            .iter()
            .zip(x)
            .map(|(&w, v)| f64::from(w) * v)
            .sum()
    };
    (0..matrix.rows()).map(dot).collect()
}

fn plus(x: Vec<f64>, bias: &[f32]) -> Vec<f64> {
    x.iter().zip(bias).map(|(v, &b)| v + f64::from(b)).collect()
}

fn add(x: &mut [Vec<f64>], more: &[Vec<f64>]) {
    for (row, more) in x.iter_mut().zip(more) {
        for (value, more) in row.iter_mut().zip(more) {
            *value += more;
        }
    }
}
