//! Whether letters are those that the reference evaluator draws, as far as noise leaves that open.

use cipherformer_circuit::{Bag, Circuit, Plain};
use cipherformer_client::Sampling;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Simulations that say how far noise moves logits, and the borders between letters.
const SIMULATIONS: u64 = 100;
/// Noise is allowed so many of its standard deviations.
pub(crate) const DEVIATIONS: f64 = 6.0;

/// Logits after each token of a text.
pub(crate) struct Logits {
    /// What the reference evaluator says.
    pub(crate) exact: Vec<Vec<f64>>,
    /// What clients may see: with noise, and rounded.
    noisy: Vec<Vec<Vec<f64>>>,
}

impl Logits {
    /// `step` is what this circuit's clients round logits to.
    pub(crate) fn after(circuit: &Circuit, tokens: &[usize], step: f64) -> Self {
        let bags: Vec<Bag> = tokens.iter().copied().map(Bag::token).collect();
        let outputs = |mut plain: Plain| plain.outputs(circuit, &bags).expect("valid");
        let simulate = |seed| {
            let mut outputs = outputs(Plain::simulate(seed));
            let logits = outputs.iter_mut().flatten();
            logits.for_each(|logit| *logit = (*logit / step).round() * step);
            outputs
        };
        Self {
            exact: outputs(Plain::reference()),
            noisy: (0..SIMULATIONS).map(simulate).collect(),
        }
    }

    /// How far noise and rounding move a number made of the logits at a position: the standard deviation.
    pub(crate) fn deviation(&self, position: usize, number: impl Fn(&[f64]) -> f64) -> f64 {
        let exact = number(&self.exact[position]);
        let squares = self
            .noisy
            .iter()
            .map(|run| (number(&run[position]) - exact).powi(2));
        (squares.sum::<f64>() / SIMULATIONS as f64).sqrt()
    }

    /// Checks the letters drawn from `first` on: each is the reference's, or the draw fell so close to
    /// the border between two letters that noise may have decided.
    pub(crate) fn check_draws(
        &self,
        first: usize,
        drawn: &[usize],
        sampling: &Sampling,
        seed: u64,
    ) {
        let mut random = StdRng::seed_from_u64(seed);
        for (position, &token) in (first..self.exact.len()).zip(drawn) {
            let number: f64 = random.random();
            let [low, high] = [(token, -1.0), (token + 1, 1.0)].map(|(token, sign)| {
                // Below this number the letters before `token` are drawn.
                let border =
                    |logits: &[f64]| sampling.probabilities(logits)[..token].iter().sum::<f64>();
                let noise = self.deviation(position, border);
                border(&self.exact[position]) + sign * DEVIATIONS * noise
            });
            assert!(
                (low..=high).contains(&number),
                "seed {seed}, position {position}: {token} is {low} to {high}, and the draw was {number}"
            );
        }
    }
}
