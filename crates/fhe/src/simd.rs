//! Loops compiled for the vectors of the processor at hand.

use pulp::{Arch, Simd, WithSimd};

/// Calls `f` with `arguments`, compiled for this processor: a closure marked `#[inline(always)]`, whose loops the
/// compiler then vectorises.
///
/// Called as `Fn`, not as `FnOnce`: between the two the compiler puts a function of its own, which is not inlined, and
/// would be compiled for the oldest processor.
#[inline(always)]
pub(crate) fn vectorized<T, R>(arguments: T, f: impl Fn(T) -> R) -> R {
    Arch::new().dispatch(Call(arguments, f))
}

struct Call<T, F>(T, F);

impl<T, R, F: Fn(T) -> R> WithSimd for Call<T, F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> R {
        (self.1)(self.0)
    }
}
