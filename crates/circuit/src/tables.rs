//! Tables that plain evaluators and ciphertexts must agree on.

/// The integer that a scaled LUT's table has for a torus input in [-1/4, 1/4): the nearest of
/// `levels` equal steps either side of 0.
pub fn scaled_level(torus: f64, levels: u32) -> f64 {
    (4.0 * f64::from(levels) * torus).round()
}
