//! The LWE key switch from the ring key's coefficients to the small key, for batches.
//!
//! A matrix product: digits of the inputs' masks \[batch x N levels\] times the key \[N levels x (n + 1)\],
//! modulo 2^32: the key's noise is at least 2^12 times coarser than 2^-32 in every secure set. Each row of the
//! key is read once a batch, and added for those values only whose digit is not 0: in base 2, one in three.

use cipherformer_circuit::ParameterSet;
use cipherformer_circuit::parameters::Decomposition;
use tfhe::conformance::ParameterSetConformant;
use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

use crate::convert::{self, round_to_32_bits, rounded_shift};
use crate::keys::SecretKey;
use crate::wire;

/// Makes the key-switching key, seeded, modulo 2^32.
pub(crate) fn generate(
    secret: &SecretKey,
    seeder: &mut dyn Seeder,
) -> SeededLweKeyswitchKeyOwned<u32> {
    let parameters = secret.parameters();
    let small = secret.lwe();
    let small = Zeroizing::new(
        small
            .as_ref()
            .iter()
            .map(|&bit| bit as u32)
            .collect::<Vec<_>>(),
    );
    allocate_and_generate_new_seeded_lwe_keyswitch_key(
        &secret.scalar(),
        &LweSecretKey::from_container(small.as_slice()),
        convert::base(parameters.key_switch),
        convert::levels(parameters.key_switch),
        TUniform::new(parameters.lwe_noise.bound_log2 - 32),
        CiphertextModulus::<u32>::new_native(),
        seeder,
    )
}

/// Whether a key from outside has the seed and the shape that [`generate`] gives it.
pub(crate) fn fits(key: &SeededLweKeyswitchKeyOwned<u32>, parameters: &ParameterSet) -> bool {
    wire::from_the_beginning(&key.compression_seed())
        && key.is_conformant(&LweKeyswitchKeyConformanceParams {
            decomp_base_log: convert::base(parameters.key_switch),
            decomp_level_count: convert::levels(parameters.key_switch),
            output_lwe_size: LweDimension(parameters.lwe_dimension).to_lwe_size(),
            input_lwe_dimension: LweDimension(parameters.ring_dimension),
            ciphertext_modulus: CiphertextModulus::<u32>::new_native(),
        })
}

/// Key-switching key with its masks.
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
    pub(crate) fn expand(
        seeded: SeededLweKeyswitchKeyOwned<u32>,
        decomposition: Decomposition,
    ) -> Self {
        let key = seeded.decompress_into_lwe_keyswitch_key();
        Self {
            row_length: key.output_lwe_size().0,
            rows: key.into_container(),
            decomposition,
        }
    }

    /// Switches LWE ciphertexts of N + 1 elements each. Noise: `key_switch_variance`.
    ///
    /// Cost: at most `batch * N * levels * (n + 1)` 32-bit multiplications.
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
                        if digit == 0 {
                            continue;
                        }
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
            // that its next digit will go, the topmost that of bits which are dropped, so that digits are 0
            // on average: any other mean, times the sum of the key's noise, would move all values of a client
            // the same way.
            let dropped = 64 - base_log * levels;
            // Not the lowest bits: of what comes out of an FFT they are 0.
            let coin = ((x >> (dropped - 1 - base_log)) & mask) << (base_log * levels);
            let mut rest = rounded_shift(x, dropped) + coin;
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
    use cipherformer_circuit::parameters::ALL;
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn digits(x: u64, decomposition: Decomposition) -> Vec<i64> {
        let key = KeySwitchKey {
            rows: vec![],
            row_length: 1,
            decomposition,
        };
        let digits = key.digits(&[x, 0]);
        digits.into_iter().map(|d| i64::from(d as i32)).collect()
    }

    proptest! {
        #[test]
        fn digits_recompose_to_the_rounded_value(x in any::<u64>()) {
            for set in ALL {
                let Decomposition { base_log, levels } = set.key_switch;
                let half = 1i64 << (base_log - 1);
                let lowest = 64 - base_log * levels;
                let mut sum = 0u64;
                for (level, &digit) in digits(x, set.key_switch).iter().enumerate() {
                    prop_assert!((-half..=half).contains(&digit));
                    sum = sum.wrapping_add((digit as u64) << (lowest + base_log * level as u32));
                }
                let error = sum.wrapping_sub(x) as i64;
                prop_assert!(error.unsigned_abs() <= 1 << (lowest - 1), "{error}");
            }
        }
    }

    /// Also of values whose lowest bits are 0, as those that come out of an FFT.
    #[test]
    fn digits_have_the_predicted_mean_square_and_no_mean() {
        let mut random = StdRng::seed_from_u64(1);
        for set in ALL {
            let values: Vec<u64> = (0..20_000).map(|_| random.random::<u64>() << 28).collect();
            let all: Vec<i64> = values
                .iter()
                .flat_map(|&x| digits(x, set.key_switch))
                .collect();
            let mean = |of: fn(f64) -> f64| {
                all.iter().map(|&d| of(d as f64)).sum::<f64>() / all.len() as f64
            };
            let ratio = mean(|d| d * d) / set.key_switch.tied_digit_variance();
            // The lowest digit has no carry from below, and 3 % are for it.
            assert!((0.98..1.03).contains(&ratio), "{}: {ratio}", set.name);
            let offset = mean(|d| d) / mean(|d| d * d).sqrt();
            assert!(offset.abs() < 0.02, "{}: {offset}", set.name);
        }
    }
}
