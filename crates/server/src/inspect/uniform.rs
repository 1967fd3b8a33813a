//! Whether bytes look random.

use serde::Serialize;

/// Chi-square of the counts of byte values, had all 256 been as likely.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Uniformity {
    /// How many bytes were counted.
    pub bytes: u64,
    /// Chi-square, of 255 degrees of freedom: 255 is expected, with a standard deviation of 22.6.
    pub chi_square: f64,
    /// How many of these deviations it lies above what is expected.
    pub deviations: f64,
}

/// Beyond this many deviations bytes do not look random; by chance, one in ten thousand million tests.
pub(super) const SUSPICIOUS: f64 = 8.0;

/// Fewer bytes say nothing.
const ENOUGH: u64 = 5 * 256;

impl Uniformity {
    /// Of these bytes.
    pub(super) fn of(bytes: impl Iterator<Item = u8>) -> Self {
        let mut counts = [0u64; 256];
        for byte in bytes {
            counts[usize::from(byte)] += 1;
        }
        let bytes: u64 = counts.iter().sum();
        let expected = bytes as f64 / 256.0;
        let distance = |&count: &u64| (count as f64 - expected).powi(2) / expected;
        let chi_square = match bytes {
            0 => 0.0,
            _ => counts.iter().map(distance).sum(),
        };
        Self {
            bytes,
            chi_square,
            deviations: (chi_square - 255.0) / 510f64.sqrt(),
        }
    }

    /// Of the bytes of these words.
    pub(super) fn of_words(words: &[u64]) -> Self {
        Self::of(words.iter().flat_map(|word| word.to_le_bytes()))
    }

    /// Whether the bytes look random; too few always do.
    pub fn looks_random(&self) -> bool {
        self.bytes < ENOUGH || self.deviations.abs() < SUSPICIOUS
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn random_words_look_random_and_others_do_not() {
        let mut random = StdRng::seed_from_u64(3);
        let words: Vec<u64> = (0..100_000).map(|_| random.random()).collect();
        let uniform = Uniformity::of_words(&words);
        assert!(
            uniform.looks_random() && uniform.bytes == 800_000,
            "{uniform:?}"
        );
        // One bit of every word is always 0.
        let biased: Vec<u64> = words.iter().map(|word| word & !1).collect();
        assert!(!Uniformity::of_words(&biased).looks_random());
        // Every value equally often is no accident either.
        let counted: Vec<u64> = (0..100_000u64)
            .map(|i| (i % 256) * 0x0101_0101_0101_0101)
            .collect();
        assert!(!Uniformity::of_words(&counted).looks_random());
    }
}
