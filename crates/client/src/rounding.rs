//! Decrypted values, rounded to what their noise leaves meaningful.

/// Values are shown with this many decimals at most.
const MAX_DECIMALS: i32 = 3;
/// Steps are at least so many times the noise that the server says it floods scores with.
const STATED: f64 = 2.0;
/// Whatever the server says: steps are at least so many times the noise that a client can compute, that of packing and
/// rounding alone.
const OWN: f64 = 16.0;

/// The finest steps that hide noise, of which the server states some and the client knows some.
pub(crate) fn finest(stated: f64, own: f64) -> f64 {
    (STATED * stated).max(OWN * own)
}

/// Rounds to the least of 1, 2 and 5 times powers of ten that is at least `finest`: to hundreds or millions, if a server
/// claims a scale that makes scores so large.
pub(crate) fn round(score: f64, finest: f64) -> f64 {
    let finest = finest.max(10f64.powi(-MAX_DECIMALS));
    let exponent = finest.log10().floor();
    // Powers of positive exponents are exact, so that 1.2 comes out as 1.2.
    let power = 10f64.powf(exponent.abs());
    let [unit, back] = match exponent {
        ..=0.0 => [1.0 / power, power],
        _ => [power, 1.0 / power],
    };
    let units = [1.0, 2.0, 5.0].into_iter();
    let units = units.filter(|units| units * unit >= finest * 0.999_999);
    let units = units.fold(10.0, f64::min);
    let steps = (score * back / units).round() * units;
    let rounded = match exponent {
        ..=0.0 => steps / power,
        _ => steps * power,
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
            let shown = |torus: f64| round(torus / scale, finest(0.0, noise) / scale);
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
    fn steps_are_above_the_noise() {
        assert_eq!(finest(0.1, 0.001), 0.2);
        assert_eq!(finest(0.0, 0.001), 0.016);
        assert_eq!(round(1.234_567, 1e-8), 1.235);
        assert_eq!(round(1.234_567, 0.01), 1.23);
        assert_eq!(round(1.234_567, 0.006), 1.23);
        assert_eq!(round(1.234_567, 0.06), 1.2);
        assert_eq!(round(1.234_567, 0.13), 1.2);
        assert_eq!(round(1.334_567, 0.13), 1.4);
        assert_eq!(round(1.234_567, 0.4), 1.0);
        assert_eq!(round(1.334_567, 0.4), 1.5);
        assert_eq!(round(1.834_567, 0.6), 2.0);
        assert_eq!(round(1.234_567, 1e9), 0.0);
        assert_eq!(round(987_654.0, 8000.0), 990_000.0);
        assert!(round(-0.001, 0.06).is_sign_positive());
    }
}
