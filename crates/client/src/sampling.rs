//! Choosing the next token: on the client, from decrypted logits.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::error::ClientError;

/// How the next token is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    temperature: f64,
    top_k: usize,
}

impl Sampling {
    /// Draws from the `top_k` most probable tokens, or from all. The temperature divides the logits: less
    /// than 1 sharpens the distribution, more flattens it, 0 always takes the most probable token.
    ///
    /// # Errors
    /// A temperature that is negative or no number, or nothing to draw from.
    pub fn new(temperature: f64, top_k: Option<usize>) -> Result<Self, ClientError> {
        if !(temperature.is_finite() && temperature >= 0.0) {
            return Err(ClientError::Temperature { temperature });
        }
        match top_k {
            Some(0) => Err(ClientError::NothingToDraw),
            _ => Ok(Self {
                temperature,
                top_k: top_k.unwrap_or(usize::MAX),
            }),
        }
    }

    /// The probability of each token.
    pub fn probabilities(&self, logits: &[f64]) -> Vec<f64> {
        let mut best: Vec<usize> = (0..logits.len()).collect();
        // Stable, so that of equals the first ones stay.
        best.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        best.truncate(match self.temperature {
            0.0 => 1,
            _ => self.top_k,
        });
        let mut weights = vec![0.0; logits.len()];
        for &token in &best {
            let below = logits[token] - logits[best[0]];
            weights[token] = match below {
                0.0 => 1.0, // at any temperature
                below => (below / self.temperature).exp(),
            };
        }
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }

    /// Draws a token; one random number each time, whatever the logits.
    pub fn sample(&self, logits: &[f64], random: &mut StdRng) -> usize {
        pick(&self.probabilities(logits), random.random())
    }
}

/// The token whose share of [0, 1), in the order of tokens, this number falls into.
///
/// In that order, and not in the order of probabilities, a little noise moves the borders a little.
fn pick(probabilities: &[f64], number: f64) -> usize {
    let mut left = number;
    let mut last = 0;
    for (token, &probability) in probabilities.iter().enumerate() {
        if probability > 0.0 {
            last = token;
            left -= probability;
            if left < 0.0 {
                break;
            }
        }
    }
    last // also when rounding errors leave a little
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const LOGITS: [f64; 5] = [1.0, 3.0, -2.0, 3.0, 2.0];

    fn sampling(temperature: f64, top_k: Option<usize>) -> Sampling {
        Sampling::new(temperature, top_k).expect("valid")
    }

    #[test]
    fn temperature_zero_takes_the_first_of_the_largest() {
        for top_k in [None, Some(1), Some(9)] {
            let probabilities = sampling(0.0, top_k).probabilities(&LOGITS);
            assert_eq!(probabilities, [0.0, 1.0, 0.0, 0.0, 0.0]);
        }
    }

    #[test]
    fn probabilities_are_the_softmax() {
        let probabilities = sampling(1.0, None).probabilities(&LOGITS);
        assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        for (token, logit) in LOGITS.iter().enumerate() {
            let ratio = probabilities[token] / probabilities[0];
            assert!((ratio - (logit - LOGITS[0]).exp()).abs() < 1e-9);
        }
        let sharp = sampling(0.5, None).probabilities(&LOGITS);
        assert!((sharp[1] / sharp[4] - 2f64.exp()).abs() < 1e-9);
        let tiny = sampling(f64::MIN_POSITIVE, None).probabilities(&LOGITS);
        assert_eq!(tiny, [0.0, 0.5, 0.0, 0.5, 0.0]);
    }

    #[test]
    fn top_k_keeps_the_most_probable_and_of_equals_the_first() {
        let kept = |k| -> Vec<bool> {
            let probabilities = sampling(1.0, Some(k)).probabilities(&LOGITS);
            probabilities.iter().map(|&p| p > 0.0).collect()
        };
        assert_eq!(kept(1), [false, true, false, false, false]);
        assert_eq!(kept(3), [false, true, false, true, true]);
        assert_eq!(kept(9), [true; 5]);
    }

    #[test]
    fn draws_follow_the_probabilities_and_repeat_with_the_seed() {
        let sampling = sampling(1.0, None);
        let draw = |seed| -> Vec<usize> {
            let mut random = StdRng::seed_from_u64(seed);
            let draws = (0..4000).map(|_| sampling.sample(&LOGITS, &mut random));
            draws.collect()
        };
        let tokens = draw(7);
        assert_eq!(tokens, draw(7));
        assert_ne!(tokens, draw(8));
        for (token, probability) in sampling.probabilities(&LOGITS).into_iter().enumerate() {
            let count = tokens.iter().filter(|&&t| t == token).count() as f64;
            assert!((count / 4000.0 - probability).abs() < 0.04, "{token}");
        }
    }

    #[test]
    fn every_number_picks_a_token_that_is_possible() {
        let probabilities = [0.0, 0.25, 0.0, 0.75, 0.0];
        assert_eq!(pick(&probabilities, 0.0), 1);
        assert_eq!(pick(&probabilities, 0.25), 3);
        assert_eq!(pick(&probabilities, 1.0), 3);
    }

    #[test]
    fn nonsense_is_refused() {
        for temperature in [-0.1, f64::NAN, f64::INFINITY] {
            let error = Sampling::new(temperature, None).expect_err("nonsense");
            assert!(error.to_string().contains("temperature"), "{error}");
        }
        let error = Sampling::new(1.0, Some(0)).expect_err("nothing left");
        assert!(error.to_string().contains("top-k"), "{error}");
    }
}
