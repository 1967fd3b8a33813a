//! A small attention head: 4 tokens of 16 numbers, every token sees all.

use anyhow::{Context, Result, ensure};
use cipherformer_circuit::parameters::PRECISE_1024;

use super::levels::described;
use super::timing::median;
use super::{Comparison, Side};
use crate::gpt2::{Attention, SMALL, Shape, measure_rounds};

/// Tokens of the comparison.
const TOKENS: usize = 4;

/// Tokens of the longer text that is timed too.
const MORE_TOKENS: usize = 8;

/// Of Concrete for 4 tokens and width 16: an earlier figure, not measured here. What `benches/peers/concrete_ml.py`
/// measures on a machine is the better one.
const EARLIER_MS: f64 = 69_600.0;

/// The same for 8 tokens.
const EARLIER_MORE_MS: f64 = 267_000.0;

/// Table lookups and bytes of keys that belong to [`EARLIER_MS`].
const EARLIER_LUTS: u32 = 1136;
const EARLIER_KEY_BYTES: u64 = 1_500_000_000;

/// Outputs are accepted from this cosine with the computation in `f64` on, the mean over tokens and rounds.
const LEAST_COSINE: f64 = 0.99;

/// Our head beside an earlier time.
pub(super) fn run(rounds: usize) -> Result<Comparison> {
    let few = Head::measure(SMALL, TOKENS, rounds)?;
    let causal = Head::measure(causal(), TOKENS, rounds)?;
    let more = Head::measure(SMALL, MORE_TOKENS, rounds)?;
    let ours = Side {
        what: format!("softmax attention, one head of width {}", SMALL.head),
        parameters: described(&PRECISE_1024),
        failure_log2: None,
        checked: true,
    };
    let theirs = Side {
        what: "a head of the same sizes in Concrete: an earlier figure, not measured here"
            .to_owned(),
        parameters: "not known".to_owned(),
        failure_log2: None,
        checked: false,
    };
    let comparison = Comparison::new("one evaluation", [few.ms, EARLIER_MS], ours, theirs);
    Ok(comparison
        .with("theirs_source", "an earlier figure, not measured")
        .with("theirs_luts", EARLIER_LUTS)
        .with("theirs_key_bytes", EARLIER_KEY_BYTES)
        .with("theirs_8_tokens_ms", EARLIER_MORE_MS)
        .with("tokens", TOKENS)
        .with("width", SMALL.width)
        .with("ours_luts", few.found.luts)
        .with("ours_softmax_ms", 1e3 * few.found.softmax_seconds)
        .with("ours_key_bytes", few.found.evaluation_key_bytes)
        .with("ours_cosine", few.cosine)
        .with("ours_least_cosine", few.least_cosine)
        .with("ours_causal_ms", causal.ms)
        .with("ours_causal_luts", causal.found.luts)
        .with("ours_8_tokens_ms", more.ms)
        .with("ours_8_tokens_luts", more.found.luts)
        .with("ours_8_tokens_cosine", more.cosine))
}

/// The same head, no token seeing those after it.
fn causal() -> Shape {
    Shape {
        causal: true,
        ..SMALL
    }
}

struct Head {
    /// Median milliseconds.
    ms: f64,
    /// Mean over rounds of the cosine, and the least.
    cosine: f64,
    least_cosine: f64,
    /// The last round.
    found: Attention,
}

impl Head {
    /// Fails if outputs are wrong.
    fn measure(shape: Shape, tokens: usize, rounds: usize) -> Result<Self> {
        ensure!(rounds > 0, "at least one round");
        let mut found = measure_rounds(shape, tokens, 0, rounds)?;
        let ms = median(found.iter().map(|round| 1e3 * round.seconds).collect());
        let cosines = || found.iter().map(|round| round.cosine);
        let cosine = cosines().sum::<f64>() / rounds as f64;
        let least_cosine = cosines().fold(1.0, f64::min);
        ensure!(
            cosine >= LEAST_COSINE,
            "our attention: a cosine of {cosine}, below {LEAST_COSINE}"
        );
        Ok(Self {
            ms,
            cosine,
            least_cosine,
            found: found.pop().context("there is one round")?,
        })
    }
}
