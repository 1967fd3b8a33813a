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
    /// Half of the last digit's unit.
    rounding: u64,
}

impl Gadget {
    pub(crate) fn new(Decomposition { base_log, levels }: Decomposition) -> Self {
        let shift = |level: u32| 64 - base_log * level;
        let half = 1u64 << (base_log - 1);
        let rounding = 1u64 << (shift(levels) - 1);
        let offset = (1..=levels).fold(rounding, |sum, level| {
            sum.wrapping_add(half << shift(level))
        });
        Self {
            base_log,
            offset,
            rounding,
        }
    }

    /// What the digits add up to, less the element itself.
    #[inline(always)]
    pub(crate) fn error(self, x: u64) -> u64 {
        let below = 2 * self.rounding - 1;
        self.rounding
            .wrapping_sub(x.wrapping_add(self.rounding) & below)
    }

    /// Digit `level`, counted from 1, which stands for multiples of `2^-(base_log * level)`.
    ///
    /// Bits set in the mantissa of 2^52 are a number without a conversion, which AVX2 would do one at a time.
    #[inline(always)]
    pub(crate) fn digit(self, level: u32) -> impl Fn(u64) -> f64 {
        const SHIFT: f64 = 4_503_599_627_370_496.0; // 2^52
        let shift = 64 - self.base_log * level;
        let (offset, mask) = (self.offset, (1u64 << self.base_log) - 1);
        let half = SHIFT + (1u64 << (self.base_log - 1)) as f64;
        #[inline(always)]
        move |x| {
            let digit = (x.wrapping_add(offset) >> shift) & mask;
            f64::from_bits(SHIFT.to_bits() | digit) - half
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn digits_add_up_to_the_element_and_its_error(x in any::<u64>()) {
            for (base_log, levels) in [(23, 1), (22, 1), (11, 3), (6, 7)] {
                let gadget = Gadget::new(Decomposition { base_log, levels });
                let sum = (1..=levels).fold(0u64, |sum, level| {
                    let digit = gadget.digit(level)(x) as i64 as u64;
                    sum.wrapping_add(digit << (64 - base_log * level))
                });
                prop_assert_eq!(sum, x.wrapping_add(gadget.error(x)));
                let unit = 1u64 << (64 - base_log * levels);
                prop_assert!((gadget.error(x) as i64).unsigned_abs() <= unit / 2);
            }
        }
    }
}
