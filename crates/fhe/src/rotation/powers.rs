//! Powers of X in the Fourier domain.

use std::f64::consts::PI;

use tfhe::core_crypto::fft_impl::fft64::c64;
use tfhe::core_crypto::prelude::PolynomialSize;

use super::groups;
use crate::fft::{GROUP, GROUP_REALS, Transform};

/// Values of all powers of X, in factors.
///
/// At the points of the Fourier domain, X is `exp(i pi e / N)` for odd e. A transform's order of points is such that
/// e is a sum of one number for the group and one for the place in it, so X^a is a product of two.
pub(super) struct Powers {
    /// `exp(i pi t / N)` for t below 2N.
    roots: Vec<c64>,
    /// The group's part of e.
    groups: Vec<usize>,
    /// The place's part of e.
    places: [usize; GROUP],
}

/// One power of X: the value at a point is that of its group times that of its place.
pub(super) struct Power {
    pub(super) groups: Vec<c64>,
    /// Real parts, then imaginary parts.
    pub(super) places: [f64; GROUP_REALS],
}

impl Power {
    pub(super) fn new(size: usize) -> Self {
        Self {
            groups: vec![c64::default(); groups(size)],
            places: [0.0; GROUP_REALS],
        }
    }
}

impl Powers {
    pub(super) fn new(size: PolynomialSize) -> Self {
        let order = 2 * size.0;
        let roots = (0..order).map(|t| c64::cis(PI * t as f64 / size.0 as f64));
        let exponents = exponents(size);
        let first = exponents[0];
        let groups: Vec<usize> = exponents.iter().step_by(GROUP).copied().collect();
        let places = std::array::from_fn(|place| (exponents[place] + order - first) % order);
        for (i, exponent) in exponents.iter().enumerate() {
            let sum = (groups[i / GROUP] + places[i % GROUP]) % order;
            assert_eq!(
                *exponent, sum,
                "the transform's order of points is not regular"
            );
        }
        Self {
            roots: roots.collect(),
            groups,
            places,
        }
    }

    /// Sets `power` to X^exponent.
    pub(super) fn set(&self, power: &mut Power, exponent: usize) {
        let root = |e: usize| self.roots[(exponent * e) & (self.roots.len() - 1)];
        for (value, &e) in power.groups.iter_mut().zip(&self.groups) {
            *value = root(e);
        }
        let (re, im) = power.places.split_at_mut(GROUP);
        for ((re, im), &e) in re.iter_mut().zip(im).zip(&self.places) {
            c64 { re: *re, im: *im } = root(e);
        }
    }
}

/// The e of every point, in the order of groups.
fn exponents(size: PolynomialSize) -> Vec<usize> {
    let mut x = vec![0; size.0];
    x[1] = 1;
    let values = Transform::new(size).integers(&x);
    let order = 2 * size.0;
    let groups = values.chunks(GROUP_REALS);
    let points = groups.flat_map(|group| (0..GROUP).map(|i| (group[i], group[GROUP + i])));
    points
        .map(|(re, im)| {
            let turns = im.atan2(re) / (2.0 * PI);
            (turns * order as f64).round().rem_euclid(order as f64) as usize
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_those_of_the_transform() {
        for size in [256, 512, 1024, 2048].map(PolynomialSize) {
            let (powers, mut power) = (Powers::new(size), Power::new(size.0));
            for exponent in [0, 1, 77, size.0 - 1, size.0 + 5, 2 * size.0 - 1] {
                powers.set(&mut power, exponent);
                let mut monomial = vec![0u64; size.0];
                let sign = if exponent < size.0 { 1 } else { u64::MAX };
                monomial[exponent % size.0] = sign;
                let expected = Transform::new(size).integers(&monomial);
                for (group, expected) in power.groups.iter().zip(expected.chunks(GROUP_REALS)) {
                    for i in 0..GROUP {
                        let place = c64::new(power.places[i], power.places[GROUP + i]);
                        let error = group * place - c64::new(expected[i], expected[GROUP + i]);
                        assert!(error.norm() < 1e-13, "X^{exponent}: {error}");
                    }
                }
            }
        }
    }
}
