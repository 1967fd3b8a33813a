//! Integers on the torus of 2^64 steps: x stands for x / 2^bits of a turn.

/// x / 2^bits as a torus element; wraps around.
pub fn encode(x: i64, bits: u32) -> u64 {
    (x as u64) << (64 - bits)
}

/// The nearest integers of phases, noise included: from -2^(bits - 1) to less than 2^(bits - 1).
pub fn decode(phases: &[u64], bits: u32) -> Vec<i64> {
    let half = 1 << (63 - bits);
    let nearest = |phase: &u64| phase.wrapping_add(half) as i64 >> (64 - bits);
    phases.iter().map(nearest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_survive_less_noise_than_half_a_step() {
        let numbers: Vec<i64> = (-16..16).collect();
        for noise in [-1i64 << 57, 0, (1 << 58) - 1] {
            let noisy = |x: &i64| encode(*x, 5).wrapping_add(noise as u64);
            let phases: Vec<u64> = numbers.iter().map(noisy).collect();
            assert_eq!(decode(&phases, 5), numbers);
        }
        assert_eq!(decode(&[encode(16, 5)], 5), [-16]);
    }
}
