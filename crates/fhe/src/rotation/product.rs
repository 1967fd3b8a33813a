//! The products of a block's GGSW ciphertexts with the digits of accumulators, point by point.

use pulp::Simd;

use super::powers::Power;
use super::work::Lane;
use crate::fft::{Complex, GROUP, GROUP_REALS};

/// Sets the sums of each of A lanes to the sum over a block's bits of `X^a - 1` times GGSW times the lane's digits.
/// `levels` are the block's levels of the key.
pub(super) fn add_block<const A: usize>(levels: &[&[f64]], lanes: [&mut Lane; A]) {
    match lanes[0].polynomials() {
        2 => pulp::Arch::new().dispatch(Block::<2, A> { levels, lanes }),
        3 => pulp::Arch::new().dispatch(Block::<3, A> { levels, lanes }),
        5 => pulp::Arch::new().dispatch(Block::<5, A> { levels, lanes }),
        polynomials => unreachable!("no parameter set has {polynomials} polynomials"),
    }
}

/// P is k + 1.
struct Block<'a, const P: usize, const A: usize> {
    levels: &'a [&'a [f64]],
    lanes: [&'a mut Lane; A],
}

/// A group of points.
type Group = [f64; GROUP_REALS];

impl<const P: usize, const A: usize> pulp::WithSimd for Block<'_, P, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { levels, lanes } = self;
        let lanes = lanes.map(|lane| {
            let inputs: (&[f64], &[Power]) = (&lane.digits, &lane.powers);
            (inputs, lane.sums.as_chunks_mut::<GROUP_REALS>().0)
        });
        let inputs = lanes.each_ref().map(|(inputs, _)| *inputs);
        let mut outputs = lanes.map(|(_, sums)| sums);
        let bits = inputs[0].1.len();
        let groups = outputs[0].len() / P;
        let rows = levels.len() * P;
        for group in 0..groups {
            let digits = inputs.map(|(digits, _)| matrix_row::<P>(digits, group * rows, rows));
            for vector in 0..GROUP / S::F64_LANES {
                let mut sums = [[zero::<S>(simd); P]; A];
                for bit in 0..bits {
                    let mut powers = [zero::<S>(simd); A];
                    for (power, (_, powers)) in powers.iter_mut().zip(inputs) {
                        *power = less_1(simd, &powers[bit], group, vector);
                    }
                    let place = (group * bits + bit) * P * P;
                    for column in 0..P {
                        let mut products = [Terms::<S>::zero(simd); A];
                        for (level, key) in levels.iter().enumerate() {
                            let key = matrix_row::<P>(key, place, P * P);
                            for (row, key) in key.iter().enumerate() {
                                let key = load::<S>(&key[column], vector);
                                for (product, digits) in products.iter_mut().zip(digits) {
                                    product.add(simd, load::<S>(&digits[level][row], vector), key);
                                }
                            }
                        }
                        for a in 0..A {
                            let product = products[a].sum(simd);
                            sums[a][column] = powers[a].mul_add(simd, product, sums[a][column]);
                        }
                    }
                }
                for (sums, output) in sums.iter().zip(&mut outputs) {
                    for (column, sum) in sums.iter().enumerate() {
                        let (re, im) = output[column * groups + group].split_at_mut(GROUP);
                        S::as_mut_simd_f64s(re).0[vector] = sum.re;
                        S::as_mut_simd_f64s(im).0[vector] = sum.im;
                    }
                }
            }
        }
    }
}

/// Some groups from `at` on, P at a time.
#[inline(always)]
fn matrix_row<const P: usize>(list: &[f64], at: usize, count: usize) -> &[[Group; P]] {
    let groups = list.as_chunks::<GROUP_REALS>().0;
    groups[at..at + count].as_chunks::<P>().0
}

/// The four products of the parts of complex numbers, each a sum of its own: so many additions need not wait for each
/// other.
#[derive(Clone, Copy)]
struct Terms<S: Simd> {
    re_re: S::f64s,
    im_im: S::f64s,
    re_im: S::f64s,
    im_re: S::f64s,
}

impl<S: Simd> Terms<S> {
    #[inline(always)]
    fn zero(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self {
            re_re: zero,
            im_im: zero,
            re_im: zero,
            im_re: zero,
        }
    }

    #[inline(always)]
    fn add(&mut self, simd: S, a: Complex<S>, b: Complex<S>) {
        self.re_re = simd.mul_add_f64s(a.re, b.re, self.re_re);
        self.im_im = simd.mul_add_f64s(a.im, b.im, self.im_im);
        self.re_im = simd.mul_add_f64s(a.re, b.im, self.re_im);
        self.im_re = simd.mul_add_f64s(a.im, b.re, self.im_re);
    }

    #[inline(always)]
    fn sum(self, simd: S) -> Complex<S> {
        Complex {
            re: simd.sub_f64s(self.re_re, self.im_im),
            im: simd.add_f64s(self.re_im, self.im_re),
        }
    }
}

#[inline(always)]
fn zero<S: Simd>(simd: S) -> Complex<S> {
    let zero = simd.splat_f64s(0.0);
    Complex { re: zero, im: zero }
}

#[inline(always)]
fn load<S: Simd>(group: &[f64], vector: usize) -> Complex<S> {
    let (re, im) = group.split_at(GROUP);
    Complex {
        re: S::as_simd_f64s(re).0[vector],
        im: S::as_simd_f64s(im).0[vector],
    }
}

/// A power less 1, at some points of a group.
#[inline(always)]
fn less_1<S: Simd>(simd: S, power: &Power, group: usize, vector: usize) -> Complex<S> {
    let place = load::<S>(&power.places, vector);
    let value = power.groups[group];
    let value = Complex {
        re: simd.splat_f64s(value.re),
        im: simd.splat_f64s(value.im),
    };
    let minus_1 = Complex {
        re: simd.splat_f64s(-1.0),
        im: simd.splat_f64s(0.0),
    };
    value.mul_add(simd, place, minus_1)
}
