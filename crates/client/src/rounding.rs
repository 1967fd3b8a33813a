//! Decrypted values, rounded to what their noise leaves meaningful.

/// Values are shown with this many decimals at most.
const MAX_DECIMALS: i32 = 3;
/// LUTs add more noise than a client can compute, as it depends on the weights: some 10 times the
/// response's own in classifiers, some 60 times in transformers. Scores keep steps of this many times the latter:
/// enough for verdicts; logits keep some of their noise, as coarser steps would change what is drawn.
const NOISE_ALLOWANCE: f64 = 16.0;

/// Rounds to a power of ten of at least [`NOISE_ALLOWANCE`] times the response's noise: to hundreds or
/// millions, if a server claims a scale that makes scores so large.
pub(crate) fn round(score: f64, noise: f64) -> f64 {
    let digits = (NOISE_ALLOWANCE * noise)
        .log10()
        .ceil()
        .max(f64::from(-MAX_DECIMALS));
    // Powers of positive exponents are exact, so that 1.2 comes out as 1.2.
    let step = 10f64.powf(digits.abs());
    let rounded = match digits {
        ..=0.0 => (score * step).round() / step,
        _ => (score / step).round() * step,
    };
    rounded + 0.0 // no negative zero
}

#[cfg(test)]
mod tests {
    use cipherformer_circuit::parameters::INSECURE_TOY;

    use super::*;

    /// Whatever scale a server claims, what is shown must not carry the noise.
    #[test]
    fn no_scale_reveals_the_noise() {
        let noise = INSECURE_TOY.packing_variance() + INSECURE_TOY.response_variance();
        let noise = noise.sqrt();
        for exponent in -12..=12 {
            let scale = 10f64.powi(exponent);
            let shown = |torus: f64| round(torus / scale, noise / scale);
            let values: Vec<f64> = (0..1000)
                .map(|i| shown(0.2 + noise * f64::from(i) / 1e3))
                .collect();
            let distinct = values.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(
                distinct <= 1,
                "scale {scale:e} shows {distinct} steps within one deviation"
            );
        }
    }

    #[test]
    fn scores_are_rounded_to_their_noise() {
        assert_eq!(round(1.234_567, 1e-9), 1.235);
        assert_eq!(round(1.234_567, 0.000_4), 1.23);
        assert_eq!(round(1.234_567, 0.004), 1.2);
        assert_eq!(round(1.234_567, 1e9), 0.0);
        assert_eq!(round(987_654.0, 500.0), 990_000.0);
        assert!(round(-0.001, 0.004).is_sign_positive());
    }
}
