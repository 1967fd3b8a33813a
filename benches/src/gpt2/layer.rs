//! Attention on ciphertexts.

use std::time::{Duration, Instant};

use anyhow::Result;
use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::graph::IntMatrix;
use cipherformer_fhe::{
    EncryptedScores, EvaluationKey, FheError, Ggsw, Packed, PreparedMatrix, PreparedTable, Scalars,
    SecretKey, SeededGgsw, add, add_constants, extract, pack, pack_at, split,
};
use rayon::prelude::*;

use super::plan::Plan;

/// One token as the client sends it.
pub struct Token {
    blocks: Vec<Packed>,
    ggsw: SeededGgsw,
}

impl Token {
    /// Encrypts a vector of as many numbers as the shape's width.
    ///
    /// # Errors
    /// A vector that does not fit the ring.
    pub fn encrypt(input: &[f64], plan: &Plan, layer: &Layer, key: &SecretKey) -> Result<Self> {
        let torus = |x: &f64| (x * plan.packed_scale * 64f64.exp2()) as i64 as u64;
        let blocks = input.chunks(plan.shape.block).map(|block| {
            let block: Vec<u64> = block.iter().map(torus).collect();
            key.encrypt_packed(&block)
        });
        // At X^-slot, so that a product with values at their slots has the dot product at 1.
        let size = key.parameters().ring_dimension;
        let mut reversed = vec![0; size];
        for (slot, x) in layer.slots.iter().zip(plan.input_integers(input)) {
            match slot {
                0 => reversed[0] = x,
                _ => reversed[size - slot] = -x,
            }
        }
        Ok(Self {
            blocks: blocks.collect(),
            ggsw: SeededGgsw::encrypt(&reversed, key)?,
        })
    }

    /// Bytes to send: bodies, at 64 bits, and seeds.
    pub fn bytes(&self) -> usize {
        let packed = self.blocks.iter().map(|b| 8 * b.polynomial_size().0 + 16);
        packed.sum::<usize>() + self.ggsw.bytes()
    }
}

/// What an evaluation did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Programmable bootstraps.
    pub luts: usize,
    /// Ring products, clear x encrypted and encrypted x encrypted.
    pub ring_products: usize,
}

/// How long each part of an evaluation took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// A x_j, packed.
    pub projections: Duration,
    /// x_i . A x_j.
    pub scores: Duration,
    /// LUTs.
    pub softmax: Duration,
    /// Mixtures of inputs, outputs, responses.
    pub outputs: Duration,
}

/// A plan with its matrices transformed once, for all clients.
pub struct Layer<'a> {
    plan: &'a Plan,
    scores: Vec<PreparedMatrix>,
    outputs: PreparedTable,
    /// Where A puts its outputs, and the client its inputs.
    slots: Vec<usize>,
}

impl<'a> Layer<'a> {
    /// Transforms the matrices.
    ///
    /// # Errors
    /// Matrices whose products would not be exact.
    pub fn new(plan: &'a Plan, parameters: &ParameterSet) -> Result<Self> {
        let prepare = |matrix| PreparedMatrix::new(matrix, plan.shape.block, parameters);
        let scores: Vec<PreparedMatrix> =
            plan.scores.iter().map(prepare).collect::<Result<_, _>>()?;
        let slots = scores[0].slots();
        let table = output_table(&plan.outputs, &slots, parameters.ring_dimension);
        Ok(Self {
            plan,
            outputs: PreparedTable::new(&table, 1, parameters)?,
            slots,
            scores,
        })
    }

    /// Evaluates the layer on all cores: the outputs of every token, packed and rounded for the client.
    ///
    /// # Errors
    /// Ciphertexts of another parameter set than the key's.
    pub fn evaluate(
        &self,
        tokens: Vec<Token>,
        key: &EvaluationKey,
    ) -> Result<(Vec<EncryptedScores>, Counters, Times)> {
        let (mut times, start) = (Times::default(), Instant::now());
        let (blocks, ggsws): (Vec<_>, Vec<_>) = tokens
            .into_par_iter()
            .map(|token| (token.blocks, Ggsw::expand(token.ggsw)))
            .unzip();
        let projected = self.projections(&blocks, key)?;
        times.projections = start.elapsed();
        let scores = self.head_scores(&projected, &ggsws)?;
        times.scores = start.elapsed() - times.projections;
        let probabilities = self.plan.softmax.apply(&scores, key)?;
        times.softmax = start.elapsed() - times.projections - times.scores;
        let outputs = self.token_outputs(&probabilities, &ggsws, key)?;
        times.outputs = start.elapsed() - times.projections - times.scores - times.softmax;
        Ok((outputs, self.counters(), times))
    }

    fn counters(&self) -> Counters {
        let (tokens, pairs) = (self.plan.seen.len(), self.plan.pairs().len());
        let clear: usize = self.scores.iter().map(PreparedMatrix::ring_products).sum();
        Counters {
            luts: self.plan.luts(),
            ring_products: tokens * (clear + self.outputs.ring_products())
                + 2 * pairs * self.scores.len(),
        }
    }

    /// A x_j: `[head][j]`.
    fn projections(
        &self,
        tokens: &[Vec<Packed>],
        key: &EvaluationKey,
    ) -> Result<Vec<Vec<Packed>>, FheError> {
        let head = |matrix: &PreparedMatrix| {
            let tokens = tokens.par_iter();
            tokens.map(|blocks| matrix.apply(blocks, key)).collect()
        };
        self.scores.par_iter().map(head).collect()
    }

    /// x_i . A x_j for the j that i sees, row after row, for every head.
    fn head_scores(
        &self,
        projected: &[Vec<Packed>],
        tokens: &[Ggsw],
    ) -> Result<Vec<Scalars>, FheError> {
        let head = |keys: &Vec<Packed>| {
            let pairs = self.plan.pairs();
            let score = |(i, j): (usize, usize)| extract(&tokens[i].multiply(&keys[j])?, &[0]);
            let scores: Vec<Scalars> =
                pairs.into_par_iter().map(score).collect::<Result<_, _>>()?;
            Ok(cipherformer_fhe::concat(&scores.iter().collect::<Vec<_>>()))
        };
        projected.par_iter().map(head).collect()
    }

    /// The sum over heads of M times the mixture of inputs, for every token.
    fn token_outputs(
        &self,
        probabilities: &[Scalars],
        tokens: &[Ggsw],
        key: &EvaluationKey,
    ) -> Result<Vec<EncryptedScores>, FheError> {
        let heads: Vec<Vec<Scalars>> = probabilities.iter().map(|p| split(p, 1)).collect();
        let mixture = |head: &Vec<Scalars>, i: usize| {
            let first: usize = self.plan.seen[..i].iter().sum();
            let term = |j: usize| tokens[j].multiply(&pack_at(&head[first + j], &[0], key)?);
            let terms = (0..self.plan.seen[i]).into_par_iter().map(term);
            terms
                .try_reduce_with(|a, b| Ok(add(&a, &b)))
                .expect("a token sees itself")
        };
        let output = |i: usize| {
            let mixtures = heads.par_iter().map(|head| mixture(head, i));
            let mixtures = mixtures.collect::<Result<Vec<Packed>, FheError>>()?;
            let mut values = self.outputs.apply(&mixtures)?;
            add_constants(&mut values, &self.plan.output_bias)?;
            let count = values.lwe_ciphertext_count().0;
            let packed = pack(&values, key)?;
            Ok(EncryptedScores::compress(packed, count, key.parameters()))
        };
        (0..self.plan.seen.len()).map(output).collect()
    }
}

/// All heads' M, one below the other and transposed, input d in the place of its slot.
fn output_table(heads: &[IntMatrix], slots: &[usize], size: usize) -> IntMatrix {
    let outputs = heads[0].rows();
    let mut table = vec![0; heads.len() * size * outputs];
    for (matrix, part) in heads.iter().zip(table.chunks_mut(size * outputs)) {
        for (d, slot) in (0..matrix.columns()).zip(slots) {
            for output in 0..outputs {
                part[slot * outputs + output] = matrix.row(output)[d];
            }
        }
    }
    IntMatrix::new(heads.len() * size, outputs, table).expect("as many as that")
}
