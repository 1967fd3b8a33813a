//! The LWE key switch from the ring key's coefficients to the small key, for batches.
//!
//! A matrix product: digits of the inputs' masks \[batch x N levels\] times the key \[N levels x (n + 1)\],
//! modulo 2^32. The key's noise is 2^12 times coarser than 2^-32, so 32 bits lose nothing and
//! halve what has to be read. Each row of the key is read once a batch.

use cipherformer_circuit::parameters::Decomposition;
use tfhe::core_crypto::prelude::*;

use crate::convert::{round_to_32_bits, rounded_shift};

/// Key-switching key, rounded to 32 bits.
pub(crate) struct KeySwitchKey {
    /// One row per mask coefficient and digit, the least significant digit first.
    rows: Vec<u32>,
    /// n + 1
    row_length: usize,
    decomposition: Decomposition,
}

/// An LWE ciphertext under the small key, modulo 2^32.
pub(crate) type SmallLwe = Vec<u32>;

impl KeySwitchKey {
    pub(crate) fn new(key: &LweKeyswitchKeyOwned<u64>, decomposition: Decomposition) -> Self {
        Self {
            rows: key.as_ref().iter().map(|&x| round_to_32_bits(x)).collect(),
            row_length: key.output_lwe_size().0,
            decomposition,
        }
    }

    /// Switches LWE ciphertexts of N + 1 elements each. Noise: `key_switch_variance`.
    ///
    /// Cost: `batch * N * levels * (n + 1)` 32-bit multiplications.
    pub(crate) fn apply(&self, batch: &[&[u64]]) -> Vec<SmallLwe> {
        let mut sums: Vec<SmallLwe> = batch
            .iter()
            .map(|value| {
                let mut sum = vec![0; self.row_length];
                let body = value.last().copied().unwrap_or_default();
                sum[self.row_length - 1] = round_to_32_bits(body);
                sum
            })
            .collect();
        let digits: Vec<Vec<u32>> = batch.iter().map(|value| self.digits(value)).collect();
        // Vectorised for whatever the processor has, without unsafe code.
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for (index, row) in self.rows.chunks_exact(self.row_length).enumerate() {
                    for (sum, digits) in sums.iter_mut().zip(&digits) {
                        let digit = digits[index];
                        for (sum, key) in sum.iter_mut().zip(row) {
                            *sum = sum.wrapping_sub(digit.wrapping_mul(*key));
                        }
                    }
                }
            },
        );
        sums
    }

    /// Signed digits of every mask coefficient, least significant first, as two's complement.
    fn digits(&self, value: &[u64]) -> Vec<u32> {
        let Decomposition { base_log, levels } = self.decomposition;
        let half = 1 << (base_log - 1);
        let mask = (1u64 << base_log) - 1;
        let mut digits = Vec::with_capacity((value.len() - 1) * levels as usize);
        for &x in &value[..value.len() - 1] {
            // Rounded to the digits that are kept; then digit by digit from the lowest, each above
            // half the base made negative with a carry into the next. One of just half goes the way
            // that its next digit will go, so that digits are 0 on average: any other mean, times the
            // sum of the key's noise, would move all values of a client the same way.
            let dropped = 64 - base_log * levels;
            let mut rest = rounded_shift(x, dropped);
            for _ in 0..levels {
                let digit = rest & mask;
                let next = (rest >> base_log) & mask;
                let carry = u64::from(digit > half || (digit == half && next >= half));
                digits.push((digit as u32).wrapping_sub((carry as u32) << base_log));
                rest = (rest >> base_log).wrapping_add(carry);
            }
        }
        digits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn digits_recompose_to_the_rounded_value(x in any::<u64>()) {
            let decomposition = Decomposition { base_log: 4, levels: 4 };
            let key = KeySwitchKey { rows: vec![], row_length: 1, decomposition };
            let digits = key.digits(&[x, 0]);
            let mut sum = 0u64;
            for (level, &digit) in digits.iter().enumerate() {
                let digit = i64::from(digit as i32);
                prop_assert!((-8..=8).contains(&digit));
                sum = sum.wrapping_add((digit as u64) << (48 + 4 * level));
            }
            let error = sum.wrapping_sub(x) as i64;
            prop_assert!(error.unsigned_abs() <= 1 << 47, "{error}");
        }
    }
}
