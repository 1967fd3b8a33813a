//! Signed digits of torus elements, each on its own, without carries.

use cipherformer_circuit::parameters::Decomposition;

/// A decomposition in `[-B/2, B/2)`, B the base.
///
/// Half a base added at every digit makes all digits non-negative, without carries between them; and half
/// a unit of the last digit rounds.
#[derive(Clone, Copy)]
pub(crate) struct Gadget {
    base_log: u32,
    offset: u64,
}

impl Gadget {
    pub(crate) fn new(Decomposition { base_log, levels }: Decomposition) -> Self {
        let shift = |level: u32| 64 - base_log * level;
        let half = 1u64 << (base_log - 1);
        let rounding = 1 << (shift(levels) - 1);
        let offset = (1..=levels).fold(rounding, |sum: u64, level| {
            sum.wrapping_add(half << shift(level))
        });
        Self { base_log, offset }
    }

    /// Digit `level`, counted from 1, which stands for multiples of `2^-(base_log * level)`.
    #[inline(always)]
    pub(crate) fn digit(self, level: u32) -> impl Fn(u64) -> f64 {
        let shift = 64 - self.base_log * level;
        let (offset, mask) = (self.offset, (1u64 << self.base_log) - 1);
        let half = 1u64 << (self.base_log - 1);
        #[inline(always)]
        move |x| {
            let digit = (x.wrapping_add(offset) >> shift) & mask;
            digit.wrapping_sub(half) as i64 as f64
        }
    }
}
