//! Everything that reads bytes from outside, as functions that take any bytes: [`TARGETS`].
//!
//! A target returns whatever the bytes are, and panics only if there is a bug. What is accepted is used and
//! written again. Bytes that carry a checksum are read twice, the second time with the checksum made right:
//! no search finds a SHA-256, and a hostile peer computes it.
//!
//! | who runs them | how |
//! |---|---|
//! | `tests/` | every file of the corpus, and mutations that shrink: `cargo test` |
//! | `soak --scenario malformed` | [`mutated`] inputs, as many as the time allows |
//! | `fuzz_targets/` | libFuzzer, guided by coverage: needs a nightly compiler, see the README there |

mod ciphertexts;
pub mod examples;
mod messages;
mod mutate;
#[path = "../../crates/server/tests/server/names.rs"]
mod names;

pub use ciphertexts::{encrypted_bag, encrypted_scores, evaluation_key, session_state};
pub use messages::{event, frames, ids, manifest, problem, vocabulary};
pub use mutate::{Mutation, mutated};

/// One reader of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// Reads any bytes; panics if there is a bug.
    pub run: fn(&[u8]),
    /// How many inputs it gets for one of an evaluation key, which takes a hundred times as long as others.
    pub weight: usize,
}

/// All of them.
pub const TARGETS: [Target; 10] = [
    target("evaluation_key", evaluation_key, 1),
    target("encrypted_bag", encrypted_bag, 12),
    target("encrypted_scores", encrypted_scores, 12),
    target("session_state", session_state, 6),
    target("frames", frames, 12),
    target("ids", ids, 12),
    target("manifest", manifest, 12),
    target("vocabulary", vocabulary, 12),
    target("problem", problem, 12),
    target("event", event, 12),
];

const fn target(name: &'static str, run: fn(&[u8]), weight: usize) -> Target {
    Target { name, run, weight }
}
