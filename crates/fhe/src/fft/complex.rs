//! Vectors of complex numbers, real and imaginary parts apart.

use pulp::Simd;
use tfhe::core_crypto::fft_impl::fft64::c64;

/// Real and imaginary parts of a vector of complex numbers.
#[derive(Clone, Copy)]
pub(crate) struct Complex<S: Simd> {
    pub(crate) re: S::f64s,
    pub(crate) im: S::f64s,
}

impl<S: Simd> Complex<S> {
    #[inline(always)]
    pub(crate) fn splat(simd: S, c: c64) -> Self {
        Self {
            re: simd.splat_f64s(c.re),
            im: simd.splat_f64s(c.im),
        }
    }

    #[inline(always)]
    pub(crate) fn add(self, simd: S, other: Self) -> Self {
        Self {
            re: simd.add_f64s(self.re, other.re),
            im: simd.add_f64s(self.im, other.im),
        }
    }

    #[inline(always)]
    pub(crate) fn sub(self, simd: S, other: Self) -> Self {
        Self {
            re: simd.sub_f64s(self.re, other.re),
            im: simd.sub_f64s(self.im, other.im),
        }
    }

    /// `self + i * other`
    #[inline(always)]
    pub(crate) fn add_i(self, simd: S, other: Self) -> Self {
        Self {
            re: simd.sub_f64s(self.re, other.im),
            im: simd.add_f64s(self.im, other.re),
        }
    }

    /// `self - i * other`
    #[inline(always)]
    pub(crate) fn sub_i(self, simd: S, other: Self) -> Self {
        Self {
            re: simd.add_f64s(self.re, other.im),
            im: simd.sub_f64s(self.im, other.re),
        }
    }

    #[inline(always)]
    pub(crate) fn mul(self, simd: S, other: Self) -> Self {
        let re = simd.mul_f64s(self.re, other.re);
        let im = simd.mul_f64s(self.im, other.re);
        Self {
            re: simd.negate_mul_add_f64s(self.im, other.im, re),
            im: simd.mul_add_f64s(self.re, other.im, im),
        }
    }

    /// Times the conjugate of `other`.
    #[inline(always)]
    pub(crate) fn mul_conj(self, simd: S, other: Self) -> Self {
        let re = simd.mul_f64s(self.re, other.re);
        let im = simd.mul_f64s(self.im, other.re);
        Self {
            re: simd.mul_add_f64s(self.im, other.im, re),
            im: simd.negate_mul_add_f64s(self.re, other.im, im),
        }
    }

    /// `self * other + sum`
    #[inline(always)]
    pub(crate) fn mul_add(self, simd: S, other: Self, sum: Self) -> Self {
        let re = simd.mul_add_f64s(self.re, other.re, sum.re);
        let im = simd.mul_add_f64s(self.re, other.im, sum.im);
        Self {
            re: simd.negate_mul_add_f64s(self.im, other.im, re),
            im: simd.mul_add_f64s(self.im, other.re, im),
        }
    }
}
