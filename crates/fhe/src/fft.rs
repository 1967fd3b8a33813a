//! Negacyclic products of clear and encrypted polynomials through an f64 FFT, exact where they must be.
//!
//! A 64-bit torus polynomial does not fit a 53-bit mantissa, so it is split into two 32-bit halves.
//! Each half's product with small integers is computed to well below the last bit it must have, and
//! rounded to it: the result is the exact product modulo 2^64, and no FFT error enters the noise.
//! This holds while the integers' 2-norm stays below about 2^16 (checked where tables are prepared).
//!
//! The library would choose its algorithm by measuring at run time, and with it the rounding noise of
//! key switches. Here one algorithm is fixed: results depend on nothing but the processor's instructions.

use std::f64::consts::PI;
use std::sync::OnceLock;

use tfhe::core_crypto::fft_impl::fft64::c64;
use tfhe::core_crypto::fft_impl::fft64::math::fft::{FftAlgo, Method, Plan};
use tfhe::core_crypto::prelude::*;

/// A polynomial in the Fourier domain: its values at N/2 of the roots of `X^N + 1`, one of each
/// conjugate pair, in the plan's order.
pub(crate) type Fourier = Vec<c64>;

/// Largest log2 N for which plans are kept.
const MAX_SIZE_LOG: usize = 16;

/// The largest transform that is done without splitting it further; a limit of the library.
const MAX_BASE: usize = 1024;

/// What all transforms of one size share.
struct Shared {
    plan: Plan,
    /// `exp(i pi j / N)`: turns cyclic into negacyclic.
    twist: Vec<c64>,
}

impl Shared {
    fn of(size: PolynomialSize) -> &'static Self {
        static ALL: [OnceLock<Shared>; MAX_SIZE_LOG + 1] = [const { OnceLock::new() }; _];
        ALL[size.0.ilog2() as usize].get_or_init(|| {
            let half = size.0 / 2;
            let base_n = half.min(MAX_BASE);
            // The fastest, measured for 512 and 1024.
            let base_algo = match base_n.ilog2() % 3 {
                0 => FftAlgo::Dif8,
                _ => FftAlgo::Dif4,
            };
            let method = Method::UserProvided { base_algo, base_n };
            let angle = |j: usize| PI * j as f64 / size.0 as f64;
            Self {
                plan: Plan::new(half, method),
                twist: (0..half).map(|j| c64::cis(angle(j))).collect(),
            }
        })
    }
}

/// A transform with its scratch memory, for one thread.
pub(crate) struct Transform {
    shared: &'static Shared,
    buffers: ComputationBuffers,
    /// A copy of what is transformed back, where the original must stay.
    copy: Fourier,
}

impl Transform {
    pub(crate) fn new(size: PolynomialSize) -> Self {
        let shared = Shared::of(size);
        let mut buffers = ComputationBuffers::new();
        buffers.resize(shared.plan.fft_scratch().unaligned_bytes_required());
        Self {
            shared,
            buffers,
            copy: vec![c64::default(); size.0 / 2],
        }
    }

    /// A zero polynomial in the Fourier domain.
    pub(crate) fn zero(&self) -> Fourier {
        vec![c64::default(); self.copy.len()]
    }

    /// Coefficients, read as real numbers by `real`, to the Fourier domain.
    #[inline(always)]
    pub(crate) fn forward(
        &mut self,
        coefficients: &[u64],
        out: &mut [c64],
        real: impl Fn(u64) -> f64,
    ) {
        let (low, high) = coefficients.split_at(out.len());
        let twist = &self.shared.twist;
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for (((out, &low), &high), twist) in out.iter_mut().zip(low).zip(high).zip(twist) {
                    *out = c64::new(real(low), real(high)) * twist;
                }
            },
        );
        self.shared.plan.fwd(out, self.buffers.stack());
    }

    /// Back from the Fourier domain, times `factor`, modulo 1: `combine` says what becomes of each
    /// coefficient in `out`. Overwrites `fourier`. Magnitudes must stay below 2^51.
    #[inline(always)]
    pub(crate) fn backward(
        &mut self,
        fourier: &mut [c64],
        factor: f64,
        out: &mut [u64],
        combine: impl Fn(u64, u64) -> u64,
    ) {
        self.shared.plan.inv(fourier, self.buffers.stack());
        let (low, high) = out.split_at_mut(fourier.len());
        let factor = factor / fourier.len() as f64;
        let twist = &self.shared.twist;
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let outputs = low.iter_mut().zip(high);
                for ((value, twist), (low, high)) in fourier.iter().zip(twist).zip(outputs) {
                    let value = value * twist.conj() * factor;
                    *low = combine(*low, modulo_1(value.re));
                    *high = combine(*high, modulo_1(value.im));
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
            #[inline(always)]
            |x| x as i64 as f64,
        );
        out
    }

    /// Torus elements to the Fourier domain, at 53 bits.
    pub(crate) fn torus(&mut self, coefficients: &[u64]) -> Fourier {
        let mut out = self.zero();
        self.forward(coefficients, &mut out, centred);
        out
    }

    /// Back from the Fourier domain, modulo 1.
    pub(crate) fn back(&mut self, fourier: &Fourier) -> Vec<u64> {
        let mut out = vec![0; 2 * fourier.len()];
        let mut copy = std::mem::take(&mut self.copy);
        copy.copy_from_slice(fourier);
        self.backward(
            &mut copy,
            1.0,
            &mut out,
            #[inline(always)]
            |_, new| new,
        );
        self.copy = copy;
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

/// A real number below 2^51 in magnitude as a torus element.
///
/// Adding 1.5 * 2^52 leaves the nearest integer in a mantissa's last bits, in instructions that every
/// processor has for whole vectors: first the integer part goes, then 32 bits come out at a time.
#[inline(always)]
fn modulo_1(x: f64) -> u64 {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    const WORD: f64 = 4_294_967_296.0;
    let fraction = x - ((x + SHIFT) - SHIFT);
    let scaled = fraction * WORD;
    let high = scaled + SHIFT;
    let low = (scaled - (high - SHIFT)) * WORD + SHIFT;
    let integer = |shifted: f64| shifted.to_bits().wrapping_sub(SHIFT.to_bits());
    (integer(high) << 32).wrapping_add(integer(low))
}

/// `sum += a * b`, point by point in the Fourier domain.
pub(crate) fn add_product(sum: &mut [c64], a: &[c64], b: &[c64]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        },
    );
}

/// Points of one polynomial that stand together in an [`interleave`]d list.
const TOGETHER: usize = 8;

/// How far apart polynomials of N / 2 points stand in a [`add_matrix_product`]'s vectors. Were it a power of two,
/// the same points of all of them would compete for the same places in the processor's cache.
pub(crate) fn stride(points: usize) -> usize {
    points + TOGETHER
}

/// Lists the points of polynomials so that the first few of all come first, then the next few of all.
pub(crate) fn interleave(polynomials: &[c64], points: usize, out: &mut [c64]) {
    let count = polynomials.len() / points;
    for (i, polynomial) in polynomials.chunks(points).enumerate() {
        let places = out.chunks_mut(count * TOGETHER);
        for (points, place) in polynomial.chunks(TOGETHER).zip(places) {
            place[i * TOGETHER..][..TOGETHER].copy_from_slice(points);
        }
    }
}

/// `sums[c] += sum over r of rows[r] * matrix[r][c]`, point by point in the Fourier domain: P polynomials a
/// [`stride`] apart, times P x P that are [`interleave`]d.
pub(crate) fn add_matrix_product<const P: usize>(sums: &mut [c64], rows: &[c64], matrix: &[c64]) {
    pulp::Arch::new().dispatch(MatrixProduct::<P> { sums, rows, matrix });
}

struct MatrixProduct<'a, const P: usize> {
    sums: &'a mut [c64],
    rows: &'a [c64],
    matrix: &'a [c64],
}

impl<const P: usize> pulp::WithSimd for MatrixProduct<'_, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let stride = self.sums.len() / P;
        for (block, matrix) in self.matrix.chunks_exact(P * P * TOGETHER).enumerate() {
            let place = |polynomial: usize| polynomial * stride + block * TOGETHER;
            let rows: [_; P] = std::array::from_fn(|r| points::<S>(self.rows, place(r)));
            for c in 0..P {
                let column: [_; P] =
                    std::array::from_fn(|r| points::<S>(matrix, (P * r + c) * TOGETHER));
                let sums = &mut self.sums[place(c)..][..TOGETHER];
                for (i, sum) in S::as_mut_simd_c64s(sums).0.iter_mut().enumerate() {
                    let terms = rows.iter().zip(column);
                    *sum = terms.fold(*sum, |sum, (row, entry)| {
                        simd.mul_add_c64s(row[i], entry[i], sum)
                    });
                }
            }
        }
    }
}

/// The points that stand together from `at` on.
#[inline(always)]
fn points<S: pulp::Simd>(list: &[c64], at: usize) -> &[S::c64s] {
    S::as_simd_c64s(&list[at..][..TOGETHER]).0
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
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn clear_times_torus_is_exact(
            torus in proptest::collection::vec(any::<u64>(), 2048),
            integers in proptest::collection::vec(any::<i8>(), 2048),
        ) {
            let mut transform = Transform::new(PolynomialSize(2048));
            let clear: Vec<u64> = integers.iter().map(|&w| w as i64 as u64).collect();
            let clear = transform.integers(&clear);
            let halves = transform.halves(&torus);
            let mut sums = [transform.zero(), transform.zero()];
            for (sum, half) in sums.iter_mut().zip(&halves) {
                add_product(sum, half, &clear);
            }
            prop_assert_eq!(transform.back_exact(&sums), schoolbook(&torus, &integers));
        }
    }
}
