//! Roots of unity for the passes of a transform.

use std::f64::consts::PI;

use tfhe::core_crypto::fft_impl::fft64::c64;

use super::passes::LANES;

/// Constants of transforms of one size.
pub(super) struct Constants {
    /// `levels[t][b]`: c of factor b of the `2^t` that level t starts from.
    pub(super) levels: Vec<Vec<c64>>,
    /// For every point Y, as vectors of real parts and of imaginary parts: powers 0 to 3 of a fourth root.
    pub(super) roots: [Vec<f64>; 2],
}

impl Constants {
    /// For M complex coefficients.
    pub(super) fn new(complex: usize) -> Self {
        let points = complex / LANES;
        let turns = |turns: f64| c64::cis(2.0 * PI * turns);
        // Of Y^m - exp(2 pi i theta), all factors of a level.
        let mut thetas = vec![0.25];
        let mut levels = Vec::new();
        for _ in 0..points.ilog2() {
            levels.push(thetas.iter().map(|theta| turns(theta / 2.0)).collect());
            let halves = thetas.iter().flat_map(|t| [t / 2.0, t / 2.0 + 0.5]);
            thetas = halves.collect();
        }
        let powers = |theta: &f64| {
            let root = theta / LANES as f64;
            (0..LANES).map(move |power| turns(root * power as f64))
        };
        let roots: Vec<c64> = thetas.iter().flat_map(powers).collect();
        Self {
            levels,
            roots: [
                roots.iter().map(|root| root.re).collect(),
                roots.iter().map(|root| root.im).collect(),
            ],
        }
    }
}
