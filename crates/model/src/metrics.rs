//! How good a classifier's scores are.

use cipherformer_circuit::OutputLayout;
use serde::Serialize;

/// What the scores of a prompt guard are of.
pub const LABELS: [&str; 2] = ["benign", "injection"];

/// Which of [`LABELS`] F1 is about.
pub(crate) const POSITIVE: usize = 1;

/// Figures over labelled examples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// How many examples there were.
    pub examples: usize,
    /// Part of the examples whose largest score is the label's, 0 to 1.
    pub accuracy: f64,
    /// Harmonic mean of precision and recall for injections, 0 to 1.
    pub f1: f64,
    /// Mean of `-log softmax(scores)[label]`, in nats.
    pub cross_entropy: f64,
}

impl Metrics {
    /// Of scores, two an example, and whether each example is an injection.
    pub fn new(examples: impl IntoIterator<Item = (Vec<f64>, bool)>) -> Self {
        let (mut count, mut right, mut loss) = (0usize, 0usize, 0.0);
        let (mut predicted, mut actual, mut both) = (0usize, 0usize, 0usize);
        for (scores, injection) in examples {
            let verdict = OutputLayout::argmax(&scores) == POSITIVE;
            count += 1;
            right += usize::from(verdict == injection);
            predicted += usize::from(verdict);
            actual += usize::from(injection);
            both += usize::from(verdict && injection);
            loss += negative_log_likelihood(&scores, usize::from(injection));
        }
        let ratio = |part: f64, whole: usize| if whole == 0 { 0.0 } else { part / whole as f64 };
        Self {
            examples: count,
            accuracy: ratio(right as f64, count),
            f1: ratio(2.0 * both as f64, predicted + actual),
            cross_entropy: ratio(loss, count),
        }
    }
}

fn negative_log_likelihood(scores: &[f64], label: usize) -> f64 {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
    sum.ln() + largest - scores[label]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_figures() {
        let metrics = Metrics::new([
            (vec![0.0, 1.0], true),
            (vec![0.0, 1.0], false),
            (vec![1.0, 0.0], true),
            (vec![1.0, 0.0], false),
        ]);
        assert_eq!(
            (metrics.examples, metrics.accuracy, metrics.f1),
            (4, 0.5, 0.5)
        );
        let right = (1.0 + (-1f64).exp()).ln();
        assert!((metrics.cross_entropy - (right + 0.5)).abs() < 1e-12);
    }

    #[test]
    fn large_scores_do_not_overflow() {
        let metrics = Metrics::new([(vec![-5e3, 5e3], false)]);
        assert!((metrics.cross_entropy - 1e4).abs() < 1e-9);
        assert_eq!(metrics.f1, 0.0);
    }
}
