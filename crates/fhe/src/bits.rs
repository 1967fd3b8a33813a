//! Torus values rounded to fewer bits, one after another without gaps: how long keys travel.

/// How many words `count` values of `bits` bits take.
pub(crate) fn packed_words(count: usize, bits: u32) -> usize {
    (count * bits as usize).div_ceil(64)
}

/// The upper `bits` (1 to 64) of every value, rounded to the nearest, packed from the low end of each
/// word upwards.
pub(crate) fn pack_bits(values: &[u64], bits: u32) -> Vec<u64> {
    let mut words = vec![0; packed_words(values.len(), bits)];
    let dropped = 64 - bits;
    for (index, &value) in values.iter().enumerate() {
        // What rounds up past the top wraps, as the torus does.
        let rounded = value.wrapping_add((1 << dropped) >> 1) >> dropped;
        let position = index * bits as usize;
        let wide = u128::from(rounded) << (position % 64);
        words[position / 64] |= wide as u64;
        let overflow = (wide >> 64) as u64;
        if overflow != 0 {
            words[position / 64 + 1] |= overflow;
        }
    }
    words
}

/// The values that were packed, zeros below their `bits` upper bits. `words` is
/// [`packed_words`] long.
pub(crate) fn unpack_bits(words: &[u64], count: usize, bits: u32) -> Vec<u64> {
    let value = |index: usize| {
        let position = index * bits as usize;
        let low = words[position / 64];
        let high = words.get(position / 64 + 1).copied().unwrap_or(0);
        let wide = u128::from(high) << 64 | u128::from(low);
        ((wide >> (position % 64)) as u64) << (64 - bits)
    };
    (0..count).map(value).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_come_back_rounded(
            values in prop::collection::vec(any::<u64>(), 0..40),
            bits in 1..=64u32,
        ) {
            let words = pack_bits(&values, bits);
            prop_assert_eq!(words.len(), packed_words(values.len(), bits));
            let half = (1u64 << (64 - bits)) >> 1;
            for (read, value) in unpack_bits(&words, values.len(), bits).iter().zip(&values) {
                let error = read.wrapping_sub(*value) as i64;
                prop_assert!(error.unsigned_abs() <= half, "{error}");
                prop_assert_eq!(read.trailing_zeros() >= 64 - bits, true);
            }
        }
    }

    #[test]
    fn rounding_up_past_the_top_wraps() {
        assert_eq!(pack_bits(&[u64::MAX, 1 << 63], 4), [0x80]);
        assert_eq!(unpack_bits(&[0x80], 2, 4), [0, 1 << 63]);
    }
}
