//! Negacyclic products of clear and encrypted polynomials through the library's f64 FFT, exact.
//!
//! A 64-bit torus polynomial does not fit a 53-bit mantissa, so it is split into two 32-bit halves.
//! Each half's product with small integers is computed to well below the last bit it must have, and
//! rounded to it: the result is the exact product modulo 2^64, and no FFT error enters the noise.
//! This holds while the integers' 2-norm stays below about 2^16 (checked where tables are prepared).

use tfhe::core_crypto::fft_impl::fft64::c64;
use tfhe::core_crypto::prelude::*;

/// A transform with its scratch memory, for one thread.
pub(crate) struct Transform {
    fft: Fft,
    buffers: ComputationBuffers,
    size: PolynomialSize,
}

/// A polynomial in the Fourier domain.
pub(crate) type Fourier = FourierPolynomial<Vec<c64>>;

impl Transform {
    pub(crate) fn new(size: PolynomialSize) -> Self {
        let fft = Fft::new(size); // the library shares plans between instances
        let mut buffers = ComputationBuffers::new();
        let view = fft.as_view();
        let scratch = view.forward_scratch().or(view.backward_scratch());
        buffers.resize(scratch.unaligned_bytes_required());
        Self { fft, buffers, size }
    }

    /// A zero polynomial in the Fourier domain.
    pub(crate) fn zero(&self) -> Fourier {
        FourierPolynomial {
            data: vec![c64::default(); self.size.0 / 2],
        }
    }

    /// Small signed integers, as two's complement, to the Fourier domain.
    pub(crate) fn integers(&mut self, coefficients: &[u64]) -> Fourier {
        let mut out = self.zero();
        self.fft.as_view().forward_as_integer(
            out.as_mut_view(),
            Polynomial::from_container(coefficients),
            self.buffers.stack(),
        );
        out
    }

    /// Torus elements to the Fourier domain, at 53 bits.
    pub(crate) fn torus(&mut self, coefficients: &[u64]) -> Fourier {
        let mut out = self.zero();
        self.fft.as_view().forward_as_torus(
            out.as_mut_view(),
            Polynomial::from_container(coefficients),
            self.buffers.stack(),
        );
        out
    }

    /// Back from the Fourier domain, modulo 1.
    pub(crate) fn back(&mut self, fourier: &Fourier) -> Vec<u64> {
        let mut out = vec![0; self.size.0];
        self.fft.as_view().backward_as_torus(
            Polynomial::from_container(out.as_mut_slice()),
            fourier.as_view(),
            self.buffers.stack(),
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

/// `sum += a * b`, point by point in the Fourier domain.
pub(crate) fn add_product(sum: &mut Fourier, a: &Fourier, b: &Fourier) {
    for ((sum, a), b) in sum.data.iter_mut().zip(&a.data).zip(&b.data) {
        *sum += a * b;
    }
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
