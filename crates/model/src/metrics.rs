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
    /// Harmonic mean of precision and recall, 0 to 1: of the second of two labels, such as injections; the mean over the
    /// labels where there are more.
    pub f1: f64,
    /// Mean of `-log softmax(scores)[label]`, in nats.
    pub cross_entropy: f64,
}

impl Metrics {
    /// Of scores, one a label, and the label of each example.
    pub fn new(examples: impl IntoIterator<Item = (Vec<f64>, usize)>) -> Self {
        let (mut count, mut right, mut loss) = (0usize, 0usize, 0.0);
        let mut tallies: Vec<Tally> = Vec::new();
        for (scores, label) in examples {
            let verdict = OutputLayout::argmax(&scores);
            tallies.resize(scores.len(), Tally::default());
            count += 1;
            right += usize::from(verdict == label);
            tallies[verdict].either += 1;
            tallies[label].either += 1;
            tallies[label].both += usize::from(verdict == label);
            loss += negative_log_likelihood(&scores, label);
        }
        Self {
            examples: count,
            accuracy: ratio(right as f64, count),
            f1: f1(&tallies),
            cross_entropy: ratio(loss, count),
        }
    }
}

/// How often a label was a verdict, or should have been.
#[derive(Clone, Default)]
struct Tally {
    /// The verdicts that it was, plus the examples that have it.
    either: usize,
    /// The verdicts that were right.
    both: usize,
}

fn f1(tallies: &[Tally]) -> f64 {
    let of = |tally: &Tally| ratio(2.0 * tally.both as f64, tally.either);
    match tallies {
        [_, positive] => of(positive),
        all => ratio(all.iter().map(of).sum(), all.len()),
    }
}

fn ratio(part: f64, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part / whole as f64 }
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
            (vec![0.0, 1.0], 1),
            (vec![0.0, 1.0], 0),
            (vec![1.0, 0.0], 1),
            (vec![1.0, 0.0], 0),
        ]);
        assert_eq!(
            (metrics.examples, metrics.accuracy, metrics.f1),
            (4, 0.5, 0.5)
        );
        let right = (1.0 + (-1f64).exp()).ln();
        assert!((metrics.cross_entropy - (right + 0.5)).abs() < 1e-12);
    }

    /// Label 0 is right once and seen three times, label 1 never, label 2 twice of twice: 2/3, 0 and 1.
    #[test]
    fn f1_of_three_labels_is_their_mean() {
        let scores = |label: usize| (0..3).map(|l| f64::from(u8::from(l == label))).collect();
        let metrics = Metrics::new([(scores(0), 0), (scores(0), 1), (scores(2), 2)]);
        assert!((metrics.f1 - (2.0 / 3.0 + 0.0 + 1.0) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn large_scores_do_not_overflow() {
        let metrics = Metrics::new([(vec![-5e3, 5e3], 0)]);
        assert!((metrics.cross_entropy - 1e4).abs() < 1e-9);
        assert_eq!(metrics.f1, 0.0);
    }
}
