//! Negacyclic products of clear and encrypted polynomials through an f64 FFT, exact where they must be.
//!
//! A 64-bit torus polynomial does not fit a 53-bit mantissa, so it is split into two 32-bit halves.
//! Each half's product with small integers is computed to well below the last bit it must have, and
//! rounded to it: the result is the exact product modulo 2^64, and no FFT error enters the noise.
//! This holds while the integers' 2-norm stays below about 2^16 (checked where tables are prepared).
//!
//! The transforms are our own ([`passes`]): real and imaginary parts stand apart, so that no instruction is spent on
//! moving them; there is one algorithm, so that results depend on nothing but the processor's instructions.

mod complex;
mod constants;
mod passes;

use std::sync::OnceLock;

use tfhe::core_crypto::prelude::PolynomialSize;

use crate::simd::vectorized;
pub(crate) use complex::Complex;
use constants::Constants;

/// A polynomial in the Fourier domain: its values at N/2 of the roots of `X^N + 1`, one of each
/// conjugate pair, in groups of [`GROUP`]: real parts, then imaginary parts.
pub(crate) type Fourier = Vec<f64>;

/// How many values stand together in a group.
pub(crate) const GROUP: usize = 8;

/// How many numbers a group has.
pub(crate) const GROUP_REALS: usize = 2 * GROUP;

/// Largest log2 N for which constants are kept.
const MAX_SIZE_LOG: usize = 16;

fn constants(size: PolynomialSize) -> &'static Constants {
    static ALL: [OnceLock<Constants>; MAX_SIZE_LOG + 1] = [const { OnceLock::new() }; _];
    ALL[size.0.ilog2() as usize].get_or_init(|| Constants::new(size.0 / 2))
}

/// A transform with its scratch memory, for one thread.
pub(crate) struct Transform {
    constants: &'static Constants,
    /// Real and imaginary parts of the N/2 coefficients modulo `X^(N/2) - i`: the lower and the upper half of a real
    /// polynomial's.
    parts: [Vec<f64>; 2],
}

impl Transform {
    /// For polynomials of N coefficients, a power of two of at least 32.
    pub(crate) fn new(size: PolynomialSize) -> Self {
        Self {
            constants: constants(size),
            parts: [vec![0.0; size.0 / 2], vec![0.0; size.0 / 2]],
        }
    }

    /// A zero polynomial in the Fourier domain.
    pub(crate) fn zero(&self) -> Fourier {
        vec![0.0; 2 * self.parts[0].len()]
    }

    /// Coefficients, read as real numbers by `real`, to the Fourier domain: to every `step`-th group of `out`.
    #[inline(always)]
    pub(crate) fn forward<T: Copy>(
        &mut self,
        coefficients: &[T],
        out: &mut [f64],
        step: usize,
        real: impl Fn(T) -> f64,
    ) {
        let [re, im] = &mut self.parts;
        vectorized(
            [&mut *re, &mut *im],
            #[inline(always)]
            |parts| {
                let halves = coefficients.chunks_exact(parts[0].len());
                for (part, half) in parts.into_iter().zip(halves) {
                    for (out, &x) in part.iter_mut().zip(half) {
                        *out = real(x);
                    }
                }
            },
        );
        passes::forward(self.constants, [re, im], out, step);
    }

    /// Back from the Fourier domain, times `factor`, modulo 1, at 51 bits: `combine` says what becomes of each
    /// coefficient in `out`. Magnitudes must stay below 2^51.
    #[inline(always)]
    pub(crate) fn backward(
        &mut self,
        fourier: &[f64],
        factor: f64,
        out: &mut [u64],
        combine: impl Fn(u64, u64) -> u64,
    ) {
        self.real_backward(
            fourier,
            factor,
            out,
            #[inline(always)]
            |old, new| combine(old, modulo_1_at_51_bits(new)),
        );
    }

    /// Back from the Fourier domain, times `factor`: `combine` says what becomes of each coefficient in `out`.
    #[inline(always)]
    fn real_backward(
        &mut self,
        fourier: &[f64],
        factor: f64,
        out: &mut [u64],
        combine: impl Fn(u64, f64) -> u64,
    ) {
        let [re, im] = &mut self.parts;
        passes::backward(self.constants, fourier, [re, im]);
        let factor = factor / re.len() as f64;
        vectorized(
            out,
            #[inline(always)]
            |out| {
                let halves = out.chunks_exact_mut(re.len());
                for (part, half) in [&*re, &*im].into_iter().zip(halves) {
                    for (out, &x) in half.iter_mut().zip(part) {
                        *out = combine(*out, x * factor);
                    }
                }
            },
        );
    }

    /// Small signed integers, as two's complement, to the Fourier domain.
    pub(crate) fn integers(&mut self, coefficients: &[u64]) -> Fourier {
        let mut out = self.zero();
        self.forward(
            coefficients,
            &mut out,
            1,
            #[inline(always)]
            |x| x as i64 as f64,
        );
        out
    }

    /// Torus elements to the Fourier domain, at 53 bits.
    pub(crate) fn torus(&mut self, coefficients: &[u64]) -> Fourier {
        let mut out = self.zero();
        self.forward(coefficients, &mut out, 1, centred);
        out
    }

    /// Back from the Fourier domain, modulo 1, to the last of the bits that an `f64` holds.
    fn back(&mut self, fourier: &Fourier) -> Vec<u64> {
        let mut out = vec![0; fourier.len()];
        self.real_backward(
            fourier,
            1.0,
            &mut out,
            #[inline(always)]
            |_, new| modulo_1(new),
        );
        out
    }

    /// The two halves of torus elements, for [`Self::back_exact`].
    pub(crate) fn halves(&mut self, coefficients: &[u64]) -> [Fourier; 2] {
        let (high, low): (Vec<u64>, Vec<u64>) = coefficients
            .iter()
            .map(|&x| {
                let low = x as u32 as i32 as i64 as u64;
                (x.wrapping_sub(low), low)
            })
            .unzip();
        [self.torus(&high), self.torus(&low)]
    }

    /// The exact sum of products whose halves were added up separately.
    pub(crate) fn back_exact(&mut self, [high, low]: &[Fourier; 2]) -> Vec<u64> {
        const HALF_STEP: u64 = 1 << 31;
        let mut out = self.back(high);
        for (out, low) in out.iter_mut().zip(self.back(low)) {
            let high = out.wrapping_add(HALF_STEP) & !u64::from(u32::MAX);
            *out = high.wrapping_add(low);
        }
        out
    }
}

/// The representative of a torus element in [-1/2, 1/2), at 53 bits.
#[inline(always)]
pub(crate) fn centred(torus: u64) -> f64 {
    const UNIT: f64 = 1.0 / 18_446_744_073_709_551_616.0; // 2^-64
    torus as i64 as f64 * UNIT
}

/// Adding it leaves the nearest integer in a mantissa's last bits: 1.5 * 2^52.
const SHIFT: f64 = 6_755_399_441_055_744.0;

/// The integer whose sum with [`SHIFT`] this is, in two's complement.
#[inline(always)]
fn integer(shifted: f64) -> u64 {
    shifted.to_bits().wrapping_sub(SHIFT.to_bits())
}

/// A real number below 2^51 in magnitude as a torus element.
///
/// In instructions that every processor has for whole vectors: first the integer part goes, then 32 bits come out at
/// a time.
#[inline(always)]
fn modulo_1(x: f64) -> u64 {
    const WORD: f64 = 4_294_967_296.0;
    let fraction = x - ((x + SHIFT) - SHIFT);
    let scaled = fraction * WORD;
    let high = scaled + SHIFT;
    let low = (scaled - (high - SHIFT)) * WORD + SHIFT;
    (integer(high) << 32).wrapping_add(integer(low))
}

/// The same, rounded to a multiple of 2^-51, in fewer instructions.
#[inline(always)]
fn modulo_1_at_51_bits(x: f64) -> u64 {
    const SCALE: f64 = 2_251_799_813_685_248.0; // 2^51
    let fraction = x - ((x + SHIFT) - SHIFT);
    integer(fraction.mul_add(SCALE, SHIFT)) << 13
}

/// `sum += a * b`, point by point in the Fourier domain.
pub(crate) fn add_product(sum: &mut [f64], a: &[f64], b: &[f64]) {
    add_scaled_product(sum, 1.0, a, b);
}

/// `sum += factor * a * b`, point by point in the Fourier domain.
pub(crate) fn add_scaled_product(sum: &mut [f64], factor: f64, a: &[f64], b: &[f64]) {
    vectorized(
        sum,
        #[inline(always)]
        |sum| {
            let (sums, _) = sum.as_chunks_mut::<GROUP_REALS>();
            let factors = a.as_chunks::<GROUP_REALS>().0.iter();
            for (sum, (a, b)) in sums
                .iter_mut()
                .zip(factors.zip(b.as_chunks::<GROUP_REALS>().0))
            {
                for i in 0..GROUP {
                    let (re, im) = (factor * a[i], factor * a[GROUP + i]);
                    sum[i] = im.mul_add(-b[GROUP + i], re.mul_add(b[i], sum[i]));
                    sum[GROUP + i] = im.mul_add(b[i], re.mul_add(b[GROUP + i], sum[GROUP + i]));
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Schoolbook product modulo X^N + 1 and 2^64.
    fn schoolbook(torus: &[u64], integers: &[i8]) -> Vec<u64> {
        let size = torus.len();
        let mut out = vec![0u64; size];
        for (i, &x) in torus.iter().enumerate() {
            for (j, &w) in integers.iter().enumerate() {
                let term = x.wrapping_mul(w as i64 as u64);
                if i + j < size {
                    out[i + j] = out[i + j].wrapping_add(term);
                } else {
                    out[i + j - size] = out[i + j - size].wrapping_sub(term);
                }
            }
        }
        out
    }

    #[test]
    fn reals_become_torus_elements() {
        for (x, torus) in [
            (0.25, 1 << 62),
            (-3.75, 1 << 62),
            (1_000_000.5, 1 << 63),
            (-0.25, 3 << 62),
            (2f64.powi(-64), 1),
            (-(2f64.powi(-60)), 16u64.wrapping_neg()),
        ] {
            assert_eq!(modulo_1(x), torus, "{x}");
        }
        for torus in [0, 1 << 40, 1 << 63, (1 << 63) + (1 << 20), 3 << 62] {
            assert_eq!(modulo_1(centred(torus)), torus);
            assert_eq!(modulo_1_at_51_bits(centred(torus) + 77.0), torus);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn clear_times_torus_is_exact(
            size in prop::sample::select(vec![32, 256, 512, 1024, 2048]),
            torus in proptest::collection::vec(any::<u64>(), 2048),
            integers in proptest::collection::vec(any::<i8>(), 2048),
        ) {
            let (torus, integers) = (&torus[..size], &integers[..size]);
            let mut transform = Transform::new(PolynomialSize(size));
            let clear: Vec<u64> = integers.iter().map(|&w| w as i64 as u64).collect();
            let clear = transform.integers(&clear);
            let halves = transform.halves(torus);
            let mut sums = [transform.zero(), transform.zero()];
            for (sum, half) in sums.iter_mut().zip(&halves) {
                add_product(sum, half, &clear);
            }
            prop_assert_eq!(transform.back_exact(&sums), schoolbook(torus, integers));
        }
    }
}
