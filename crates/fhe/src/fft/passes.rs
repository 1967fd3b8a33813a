//! The passes of a transform over vectors of four numbers.
//!
//! A complex polynomial of M coefficients modulo `X^M - i` is four of degree M / 4 in `Y = X^4`, one a lane. These are
//! reduced modulo ever smaller factors of `Y^(M/4) - i`, all lanes alike, two levels a pass: at a factor `Y^m - c^2`,
//! a butterfly with c gives the remainders modulo `Y^(m/2) - c` and `Y^(m/2) + c` (the complex counterpart of the
//! number-theoretic transforms of Longa and Naehrig, CANS 2016). No order of bits is ever reversed. At last four
//! lanes become the values at the four fourth roots of each point Y.

use pulp::{Scalar256b, Simd, WithSimd};

use super::GROUP_REALS;
use super::complex::Complex;
use super::constants::Constants;

/// Numbers a vector has here, whatever the processor.
pub(super) const LANES: usize = 4;

/// Calls a function compiled for vectors of four numbers, where the processor has them.
#[inline(always)]
fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return Simd::vectorize(simd, op);
    }
    Simd::vectorize(Scalar256b, op)
}

/// Coefficients, real and imaginary parts, to values, in every `step`-th group of `out`. Overwrites the coefficients.
pub(super) fn forward(constants: &Constants, parts: [&mut [f64]; 2], out: &mut [f64], step: usize) {
    dispatch(Forward {
        constants,
        parts,
        out,
        step,
    });
}

/// The inverse of [`forward`] with step 1, times M.
pub(super) fn backward(constants: &Constants, groups: &[f64], parts: [&mut [f64]; 2]) {
    dispatch(Backward {
        constants,
        groups,
        parts,
    });
}

/// The vectors of real parts and of imaginary parts.
type Vectors<'a, S> = [&'a mut [<S as Simd>::f64s]; 2];

/// Calls `butterfly` with the elements that are a part apart, P of them, of the blocks of so many vectors.
#[inline(always)]
fn blocks<S: Simd, const P: usize>(
    [re, im]: Vectors<'_, S>,
    length: usize,
    mut butterfly: impl FnMut(usize, [Complex<S>; P]) -> [Complex<S>; P],
) {
    let part = length / P;
    let all = re.chunks_exact_mut(length).zip(im.chunks_exact_mut(length));
    for (number, (re, im)) in all.enumerate() {
        let re = split::<_, P>(re, part);
        let im = split::<_, P>(im, part);
        for i in 0..part {
            let mut elements = [Complex {
                re: re[0][i],
                im: im[0][i],
            }; P];
            for p in 1..P {
                elements[p] = Complex {
                    re: re[p][i],
                    im: im[p][i],
                };
            }
            let elements = butterfly(number, elements);
            for p in 0..P {
                re[p][i] = elements[p].re;
                im[p][i] = elements[p].im;
            }
        }
    }
}

/// P slices of `part` elements each.
#[inline(always)]
fn split<T, const P: usize>(mut all: &mut [T], part: usize) -> [&mut [T]; P] {
    let mut parts = [const { None }; P];
    for slot in &mut parts {
        let (first, rest) = all.split_at_mut(part);
        *slot = Some(first);
        all = rest;
    }
    parts.map(|part| part.expect("all were set"))
}

struct Forward<'a> {
    constants: &'a Constants,
    parts: [&'a mut [f64]; 2],
    out: &'a mut [f64],
    step: usize,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let levels = &self.constants.levels;
        let [re, im] = self.parts;
        let mut vectors = [S::as_mut_simd_f64s(re).0, S::as_mut_simd_f64s(im).0];
        let points = vectors[0].len();
        let odd = levels.len() % 2;
        if odd == 1 {
            let c = Complex::splat(simd, levels[0][0]);
            blocks::<S, 2>(
                reborrow::<S>(&mut vectors),
                points,
                #[inline(always)]
                |_, [a, b]| {
                    let b = b.mul(simd, c);
                    [a.add(simd, b), a.sub(simd, b)]
                },
            );
        }
        for level in (odd..levels.len()).step_by(2) {
            let (first, second) = (&levels[level], &levels[level + 1]);
            let length = points >> level;
            blocks::<S, 4>(
                reborrow::<S>(&mut vectors),
                length,
                #[inline(always)]
                |block, [a, b, c, d]| {
                    let factor = Complex::splat(simd, first[block]);
                    let (c, d) = (c.mul(simd, factor), d.mul(simd, factor));
                    let (a, c) = (a.add(simd, c), a.sub(simd, c));
                    let (b, d) = (b.add(simd, d), b.sub(simd, d));
                    // The other factor's is this one's times i.
                    let factor = Complex::splat(simd, second[2 * block]);
                    let (b, d) = (b.mul(simd, factor), d.mul(simd, factor));
                    [
                        a.add(simd, b),
                        a.sub(simd, b),
                        c.add_i(simd, d),
                        c.sub_i(simd, d),
                    ]
                },
            );
        }
        values(simd, &self.constants.roots, vectors, self.out, self.step);
    }
}

/// The last step forward, from lanes to values.
#[inline(always)]
fn values<S: Simd>(
    simd: S,
    [root_re, root_im]: &[Vec<f64>; 2],
    [re, im]: Vectors<'_, S>,
    out: &mut [f64],
    step: usize,
) {
    let four = pulp::as_arrays::<LANES, S::f64s>;
    let parts = four(re).0.iter().zip(four(im).0);
    let roots = four(S::as_simd_f64s(root_re).0).0.iter();
    let roots = roots.zip(four(S::as_simd_f64s(root_im).0).0);
    let out = out.chunks_mut(2 * step * GROUP_REALS);
    for (((re, im), (root_re, root_im)), out) in parts.zip(roots).zip(out) {
        let (mut re, mut im) = (*re, *im);
        for i in 0..LANES {
            let root = Complex {
                re: root_re[i],
                im: root_im[i],
            };
            let x = Complex::<S> {
                re: re[i],
                im: im[i],
            }
            .mul(simd, root);
            (re[i], im[i]) = (x.re, x.im);
        }
        let [re0, re1, re2, re3] = simd.deinterleave_shfl_f64s(re);
        let [im0, im1, im2, im3] = simd.deinterleave_shfl_f64s(im);
        let (g0, g1) = (
            Complex::<S> { re: re0, im: im0 },
            Complex { re: re1, im: im1 },
        );
        let (g2, g3) = (
            Complex::<S> { re: re2, im: im2 },
            Complex { re: re3, im: im3 },
        );
        let (a, b) = (g0.add(simd, g2), g0.sub(simd, g2));
        let (c, d) = (g1.add(simd, g3), g1.sub(simd, g3));
        let (first, second) = out.split_at_mut(step * GROUP_REALS);
        write(first, [a.add(simd, c), b.add_i(simd, d)]);
        write(second, [a.sub(simd, c), b.sub_i(simd, d)]);
    }
}

#[inline(always)]
fn write<S: Simd>(group: &mut [f64], [first, second]: [Complex<S>; 2]) {
    let vectors = S::as_mut_simd_f64s(&mut group[..GROUP_REALS]).0;
    vectors.copy_from_slice(&[first.re, second.re, first.im, second.im]);
}

struct Backward<'a> {
    constants: &'a Constants,
    groups: &'a [f64],
    parts: [&'a mut [f64]; 2],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let levels = &self.constants.levels;
        let [re, im] = self.parts;
        let mut vectors = [S::as_mut_simd_f64s(re).0, S::as_mut_simd_f64s(im).0];
        let points = vectors[0].len();
        lanes(
            simd,
            &self.constants.roots,
            self.groups,
            reborrow::<S>(&mut vectors),
        );
        let odd = levels.len() % 2;
        for level in (odd..levels.len()).step_by(2).rev() {
            let (first, second) = (&levels[level], &levels[level + 1]);
            let length = points >> level;
            blocks::<S, 4>(
                reborrow::<S>(&mut vectors),
                length,
                #[inline(always)]
                |block, [a, b, c, d]| {
                    let factor = Complex::splat(simd, second[2 * block]);
                    let (a, b) = (a.add(simd, b), a.sub(simd, b).mul_conj(simd, factor));
                    let (c, d) = (c.add(simd, d), c.sub(simd, d).mul_conj(simd, factor));
                    let factor = Complex::splat(simd, first[block]);
                    [
                        a.add(simd, c),
                        b.sub_i(simd, d),
                        a.sub(simd, c).mul_conj(simd, factor),
                        b.add_i(simd, d).mul_conj(simd, factor),
                    ]
                },
            );
        }
        if odd == 1 {
            let c = Complex::splat(simd, levels[0][0]);
            blocks::<S, 2>(
                vectors,
                points,
                #[inline(always)]
                |_, [a, b]| [a.add(simd, b), a.sub(simd, b).mul_conj(simd, c)],
            );
        }
    }
}

/// The first step back, from values to lanes.
#[inline(always)]
fn lanes<S: Simd>(
    simd: S,
    [root_re, root_im]: &[Vec<f64>; 2],
    groups: &[f64],
    [re, im]: Vectors<'_, S>,
) {
    let four = pulp::as_arrays::<LANES, S::f64s>;
    let roots = four(S::as_simd_f64s(root_re).0).0.iter();
    let roots = roots.zip(four(S::as_simd_f64s(root_im).0).0);
    let parts = pulp::as_arrays_mut::<LANES, _>(re).0.iter_mut();
    let parts = parts.zip(pulp::as_arrays_mut::<LANES, _>(im).0);
    let groups = four(S::as_simd_f64s(groups).0).0.chunks_exact(2);
    for (((out_re, out_im), (root_re, root_im)), groups) in parts.zip(roots).zip(groups) {
        let [[a_re, b_re, a_im, b_im], [c_re, d_re, c_im, d_im]] = [groups[0], groups[1]];
        let (f0, f1) = (
            Complex::<S> { re: a_re, im: a_im },
            Complex { re: b_re, im: b_im },
        );
        let (f2, f3) = (
            Complex::<S> { re: c_re, im: c_im },
            Complex { re: d_re, im: d_im },
        );
        let (a, b) = (f0.add(simd, f2), f1.add(simd, f3));
        let (c, d) = (f0.sub(simd, f2), f1.sub(simd, f3));
        let (g0, g2) = (a.add(simd, b), a.sub(simd, b));
        let (g1, g3) = (c.sub_i(simd, d), c.add_i(simd, d));
        let re = simd.interleave_shfl_f64s([g0.re, g1.re, g2.re, g3.re]);
        let im = simd.interleave_shfl_f64s([g0.im, g1.im, g2.im, g3.im]);
        for i in 0..LANES {
            let root = Complex {
                re: root_re[i],
                im: root_im[i],
            };
            let x = Complex::<S> {
                re: re[i],
                im: im[i],
            }
            .mul_conj(simd, root);
            out_re[i] = x.re;
            out_im[i] = x.im;
        }
    }
}

#[inline(always)]
fn reborrow<'a, S: Simd>([re, im]: &'a mut Vectors<'_, S>) -> Vectors<'a, S> {
    [re, im]
}
