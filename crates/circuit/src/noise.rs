//! Noise formulas: the variance every operation adds, as a fraction of the torus, squared.
//!
//! Every formula is checked against measured noise at the real parameters in
//! `crates/fhe/tests/noise/`. Secret keys are binary with uniform bits, hence `E[s^2] = 1/2`
//! and `Var[s] = 1/4` below; the small key's bits are 1 less often where they come in blocks.

use crate::lower::LUT_HALF_RANGE;
use crate::parameters::{
    Decomposition, KEY_SWITCH_BODY_BITS, PUBLIC_KEY_BODY_BITS, ParameterSet, Precision,
    REQUEST_BODY_BITS, RING_KEY_BODY_BITS,
};

/// Mantissa bits that a 64-bit floating-point FFT loses on a 64-bit torus: 64 - 53.
const FFT_LOST_BITS: f64 = 11.0;

impl ParameterSet {
    /// Of a freshly encrypted ring ciphertext, per coefficient.
    pub fn fresh_variance(&self) -> f64 {
        self.ring_noise.variance()
    }

    /// Of a request's ring ciphertext, per coefficient: fresh noise, and what rounding the body to
    /// [`REQUEST_BODY_BITS`] adds.
    pub fn request_variance(&self) -> f64 {
        self.fresh_variance() + rounded_to(REQUEST_BODY_BITS)
    }

    /// Added to each body coefficient of the bootstrapping key by rounding it to `key_body_bits`.
    pub fn key_body_variance(&self) -> f64 {
        if self.key_body_bits == 64 {
            return 0.0; // nothing is rounded off
        }
        rounded_to(self.key_body_bits)
    }

    /// Of packing and product keys, with what rounding their bodies adds.
    fn ring_key_variance(&self) -> f64 {
        self.ring_noise.variance() + rounded_to(RING_KEY_BODY_BITS)
    }

    /// Added by the LWE key switch to the small key (Chillotti et al., "TFHE", J. Cryptology
    /// 2020, section 4.1, with the tighter variance of the digits that `fhe/src/key_switch.rs` takes, and the mean of
    /// what they round off taken off the body).
    pub fn key_switch_variance(&self) -> f64 {
        let (dimension, gadget) = (self.ring_dimension as f64, self.key_switch);
        let digits = f64::from(gadget.levels) * gadget.tied_digit_variance();
        let key = self.lwe_noise.variance() + rounded_to(KEY_SWITCH_BODY_BITS);
        dimension * digits * key + dimension * gadget.rounding_variance() / 4.0
    }

    /// Added by the modulus switch to 2N, with the mean of the mask's rounding errors taken off the body
    /// (the "centered mean" switch of tfhe-rs 1.8): the variance of the key's bits counts, not their mean square.
    /// Includes the rounding of the body.
    pub fn modulus_switch_variance(&self) -> f64 {
        let cell = 1.0 / (2.0 * self.bootstrap_polynomial_size as f64);
        (self.lwe_dimension as f64 * self.lwe_bit_variance() + 1.0) / 12.0 * cell * cell
    }

    /// Added at the input of a LUT, on top of what its input carries: key and modulus switch.
    pub fn lut_input_variance(&self) -> f64 {
        self.key_switch_variance() + self.modulus_switch_variance()
    }

    /// The same as a standard deviation, as a fraction of a LUT's input range: the least noise that any input has.
    pub fn lut_input_noise(&self) -> f64 {
        self.lut_input_variance().sqrt() / (2.0 * LUT_HALF_RANGE)
    }

    /// Of a LUT's output, whatever its input: the blind rotation's n external products.
    ///
    /// Key noise, and what rounding the key adds to it, times digits; rounding of the decomposition, once a block and
    /// only where one of its bits is 1 (its mean over ring keys is taken off, so that their `Var[s]` counts); the
    /// floating-point FFT. All of it is multiplied by `X^a - 1`, which doubles a variance.
    pub fn lut_output_variance(&self, precision: Precision) -> f64 {
        let n = self.lwe_dimension as f64;
        let k = self.bootstrap_glwe_dimension as f64;
        let polynomial_size = self.bootstrap_polynomial_size as f64;
        let gadget = self.lut_decomposition(precision);
        let levels = f64::from(gadget.levels);
        let key = levels
            * (k + 1.0)
            * polynomial_size
            * gadget.digit_variance()
            * (self.ring_noise.variance() + self.key_body_variance());
        let rounding =
            self.lwe_bit_mean() * gadget.rounding_variance() * (1.0 + k * polynomial_size / 4.0);
        let fft = (k + 1.0).powf(1.018_27) * fft_variance(k, polynomial_size, gadget);
        2.0 * n * (key + rounding + fft)
    }

    /// Added by one ring key switch (an automorphism), per coefficient, when the mask is a uniform
    /// `mask_bits`-bit integer: digits times key noise, what the digits leave out of the mask times the
    /// ring key (`E[s^2] = 1/2`), and the floating-point FFT.
    pub fn ring_key_switch_variance(&self, mask_bits: u32) -> f64 {
        let (direct, through_mask) = self.ring_key_switch_parts(mask_bits);
        direct + through_mask
    }

    /// The two parts of [`Self::ring_key_switch_variance`]: errors of the body, each for itself, and
    /// errors of the mask, which the ring key multiplies and so spreads over all coefficients.
    pub(crate) fn ring_key_switch_parts(&self, mask_bits: u32) -> (f64, f64) {
        let (dimension, gadget) = (self.ring_dimension as f64, self.ring_key_switch);
        // How many digits the mask fills; the top one perhaps in part.
        let filled: f64 = (1..=gadget.levels)
            .map(|level| {
                let lowest_bit = 64 - gadget.base_log * level;
                let bits = mask_bits.saturating_sub(lowest_bit).min(gadget.base_log);
                f64::from(2 * bits).exp2() / f64::from(2 * gadget.base_log).exp2()
            })
            .sum();
        let key = filled * dimension * gadget.digit_variance() * self.ring_key_variance();
        let rounding = dimension * gadget.rounding_variance() / 2.0;
        let fft = filled / f64::from(gadget.levels) * fft_variance(1.0, dimension, gadget);
        (key, rounding + fft)
    }

    /// Added by packing LWE values into one ring ciphertext: log2 N key switches deep, the noise of
    /// each doubled by every later one on the slots that hold values (Chen, Dai, Kim, Song, "Efficient
    /// homomorphic conversion between (ring) LWE ciphertexts", ACNS 2021, section 3).
    pub fn packing_variance(&self) -> f64 {
        self.merging_variance(1)
    }

    /// Added by packing ring ciphertexts that hold `held` values each, a power of two: log2 `held` of the
    /// steps are spared, and those are the ones whose noise is doubled most.
    pub fn merging_variance(&self, held: usize) -> f64 {
        let first = held.ilog2() + 1;
        let steps = first..=self.ring_dimension.ilog2();
        steps.fold(self.packing_rounding_variance(first), |variance, step| {
            variance + self.packing_step_variance(step, first)
        })
    }

    /// Before the first of `log2 N - first + 1` steps, each of which doubles, values are divided by as much; what
    /// that rounds off is multiplied back.
    pub(crate) fn packing_rounding_variance(&self, first: u32) -> f64 {
        let doublings = self.ring_dimension.ilog2() + 1 - first;
        let unit = (f64::from(doublings) - 64.0).exp2();
        (self.ring_dimension as f64 / 2.0 + 1.0) / 12.0 * unit * unit
    }

    /// What a key switch in this step of packing becomes at the end.
    fn packing_step_variance(&self, step: u32, first: u32) -> f64 {
        let depth = self.ring_dimension.ilog2();
        let doubled = f64::from(2 * (depth - step)).exp2();
        doubled * self.ring_key_switch_variance(self.packing_mask_bits(step, first))
    }

    /// The first step's mask is an integer of as many bits as dividing left, or the difference of two; what
    /// comes out of a key switch is uniform.
    pub(crate) fn packing_mask_bits(&self, step: u32, first: u32) -> u32 {
        if step == first {
            64 - (self.ring_dimension.ilog2() + 1 - first)
        } else {
            64
        }
    }

    /// Added by packing into these slots, summed over all N coefficients: what a product picks up.
    ///
    /// The noise of a key switch in step i of log2 N ends where slots are, and at all coefficients that
    /// agree with one of them modulo `N / 2^i`.
    pub fn packing_energy(&self, slots: &[usize]) -> f64 {
        let depth = self.ring_dimension.ilog2();
        let rounding = slots.len() as f64 * self.packing_rounding_variance(1);
        (1..=depth).fold(rounding, |energy, step| {
            let modulus = self.ring_dimension >> step;
            let mut residues: Vec<usize> = slots.iter().map(|slot| slot % modulus).collect();
            residues.sort_unstable();
            residues.dedup();
            let coefficients = residues.len() as f64 * f64::from(step).exp2();
            energy + coefficients * self.packing_step_variance(step, 1)
        })
    }

    /// Of the product of two ring ciphertexts, per coefficient. Messages are integers over `modulus`;
    /// an energy is the sum of an operand's noise variances over all its coefficients.
    ///
    /// Each noise meets the other operand's phase as a real number, of variance `(N/4 + 1) / 12`, message
    /// included (`fhe/src/ring/product.rs`). Relinearization multiplies what the digits leave out by the
    /// square of a polynomial of N signs, whose coefficients have the mean square 2N.
    pub fn product_variance(&self, modulus: u64, energy_a: f64, energy_b: f64) -> f64 {
        let (dimension, gadget) = (self.ring_dimension as f64, self.ring_key_switch);
        let phase = (dimension / 4.0 + 1.0) / 12.0;
        let wrapped = (modulus as f64).powi(2) * phase * (energy_a + energy_b);
        let digits = f64::from(gadget.levels) * gadget.digit_variance();
        let key = dimension * digits * self.ring_key_variance();
        let rounding = 2.0 * dimension * dimension * gadget.rounding_variance();
        wrapped + key + rounding + fft_variance(1.0, dimension, gadget)
    }

    /// Of an external product with a GGSW ciphertext of a polynomial of integers, per coefficient: `squares`
    /// is the sum of the integers' squares, `variance` the packed operand's, alike at all coefficients.
    ///
    /// Two ring key switches, from S times the polynomial and from the polynomial itself; what their
    /// digits leave out is multiplied by these.
    pub fn external_product_variance(&self, squares: f64, variance: f64) -> f64 {
        let (dimension, gadget) = (self.ring_dimension as f64, self.ring_key_switch);
        let digits = f64::from(gadget.levels) * gadget.digit_variance();
        let key = dimension * digits * self.ring_noise.variance();
        let rounding = (dimension / 2.0 + 1.0) * gadget.rounding_variance();
        let fft = fft_variance(1.0, dimension, gadget);
        squares * (variance + rounding) + 2.0 * (key + fft)
    }

    /// Added to values on their way into a response, but for flooding: packing, a fresh encryption of 0, rounding.
    pub fn output_variance(&self) -> f64 {
        self.packing_variance() + self.rerandomization_variance() + self.response_variance()
    }

    /// Added by a fresh encryption of 0 under the public key, without flooding, per coefficient: its bits times the public
    /// key's noise, and its own noise on the mask times the ring key.
    pub fn rerandomization_variance(&self) -> f64 {
        let key = self.ring_noise.variance() + rounded_to(PUBLIC_KEY_BODY_BITS);
        self.ring_dimension as f64 / 2.0 * (key + self.ring_noise.variance())
    }

    /// Added by rounding a response to `response_modulus_log` bits a coefficient.
    pub fn response_variance(&self) -> f64 {
        let step = (-f64::from(self.response_modulus_log)).exp2();
        (self.ring_dimension as f64 / 2.0 + 1.0) / 12.0 * step * step
    }
}

/// Variance of what rounding a torus element to so many bits adds.
fn rounded_to(bits: u32) -> f64 {
    f64::from(-2 * bits as i32).exp2() / 12.0
}

/// Variance that a 64-bit floating-point FFT adds to a decomposed polynomial times a key of k masks and
/// a body, most of it through the masks, whose error the secret key multiplies. Empirical: the form of
/// `noise_formulas` in tfhe-rs 1.8 for one decomposed polynomial, with a factor measured on our own transform, 1.6
/// times the library's.
fn fft_variance(k: f64, polynomial_size: f64, gadget: Decomposition) -> f64 {
    0.011_5
        * (2.0 * (FFT_LOST_BITS + f64::from(gadget.base_log) - 64.0)).exp2()
        * f64::from(gadget.levels).powf(1.018_27)
        * k.powf(1.220_03)
        * polynomial_size.powf(2.220_03)
}

/// log2 of the probability that Gaussian noise of standard deviation `std` leaves `[-guard, guard]`.
///
/// `-inf` when there is no noise. Sums of thousands of bounded errors are Gaussian to the
/// precision that matters here; the tail uses `erfc`, and its asymptotic form where that underflows.
pub fn failure_log2(guard: f64, std: f64) -> f64 {
    if guard <= 0.0 {
        return 0.0;
    }
    let x = guard / (std * std::f64::consts::SQRT_2);
    if x < 25.0 {
        return libm::erfc(x).log2();
    }
    // erfc(x) < exp(-x^2) / (x sqrt(pi))
    (-x * x - (x * std::f64::consts::PI.sqrt()).ln()) * std::f64::consts::LOG2_E
}

/// How many standard deviations a guard band needs for a failure probability of `2^failure_log2`.
pub fn guard_in_stds(log2: f64) -> f64 {
    let (mut low, mut high) = (0.0, 64.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if failure_log2(middle, 1.0) > log2 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::STANDARD_2048;

    #[test]
    fn failure_matches_the_normal_tail() {
        // P(|Z| > 1.959964) = 0.05
        assert!((failure_log2(1.959_964, 1.0) - 0.05f64.log2()).abs() < 1e-4);
        // Both branches agree where they meet.
        let below = failure_log2(24.99 * std::f64::consts::SQRT_2, 1.0);
        let above = failure_log2(25.01 * std::f64::consts::SQRT_2, 1.0);
        assert!(below > above && below - above < 2.0);
        assert_eq!(failure_log2(0.1, 0.0), f64::NEG_INFINITY);
        assert_eq!(failure_log2(-0.1, 0.1), 0.0);
    }

    #[test]
    fn guard_inverts_failure() {
        let guard = guard_in_stds(-40.0);
        assert!((failure_log2(guard, 1.0) + 40.0).abs() < 1e-6);
        assert!((7.0..7.3).contains(&guard));
    }

    #[test]
    fn standard_noise_is_what_the_design_promises() {
        let set = STANDARD_2048;
        let input = set.lut_input_variance().sqrt() / 0.5;
        assert!((0.001..0.003).contains(&input), "{input}");
        let output = set.lut_output_variance(Precision::Full).log2() / 2.0;
        assert!((-15.5..-14.0).contains(&output), "2^{output}");
    }
}
