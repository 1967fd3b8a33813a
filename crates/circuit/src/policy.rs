//! Output policies: how much of the scores leaves the server.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most bits that scores may be rounded to: a LUT's input noise makes finer levels arbitrary.
pub const MAX_ROUNDED_BITS: u32 = 6;

/// The most labels that `top-1` compares: more take more LUTs than anybody would wait for, as these have 2,016 pairs.
pub const TOP_LABELS: usize = 64;

/// What a client gets of the scores. Enforced under encryption: the rest is not in the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OutputPolicy {
    /// All scores, as precise as their noise lets them be: `scores`.
    #[default]
    Scores,
    /// All scores, each rounded to one of `2^bits` levels by a LUT: `rounded:4`.
    Rounded {
        /// 1 to [`MAX_ROUNDED_BITS`].
        bits: u32,
    },
    /// 1 for the label with the largest score, 0 for all others: `top-1`. Takes a LUT for every pair of labels, and with
    /// more than two of them some for every label. Of three or more labels that are equal but for noise, each may lose to
    /// another: then all are 0.
    TopOne,
}

/// Text that names no output policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no output policy; use scores, rounded:BITS with 1 to {MAX_ROUNDED_BITS} bits, or top-1"
)]
pub struct UnknownPolicy(String);

impl FromStr for OutputPolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        let unknown = || UnknownPolicy(text.chars().take(40).collect());
        match text {
            "scores" => Ok(Self::Scores),
            "top-1" => Ok(Self::TopOne),
            _ => {
                let bits = text.strip_prefix("rounded:").ok_or_else(unknown)?;
                let levels = (1..=MAX_ROUNDED_BITS).find(|b| b.to_string() == bits);
                levels
                    .map(|bits| Self::Rounded { bits })
                    .ok_or_else(unknown)
            }
        }
    }
}

impl fmt::Display for OutputPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scores => f.write_str("scores"),
            Self::Rounded { bits } => write!(f, "rounded:{bits}"),
            Self::TopOne => f.write_str("top-1"),
        }
    }
}

impl TryFrom<String> for OutputPolicy {
    type Error = UnknownPolicy;

    fn try_from(text: String) -> Result<Self, UnknownPolicy> {
        text.parse()
    }
}

impl From<OutputPolicy> for String {
    fn from(policy: OutputPolicy) -> Self {
        policy.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_written() {
        for text in ["scores", "rounded:1", "rounded:6", "top-1"] {
            let policy: OutputPolicy = text.parse().expect(text);
            assert_eq!(policy.to_string(), text);
        }
        for text in [
            "",
            "top-2",
            "rounded",
            "rounded:0",
            "rounded:7",
            "rounded:04",
            "Scores",
        ] {
            let error = text.parse::<OutputPolicy>().expect_err(text);
            assert!(error.to_string().contains("rounded:BITS"), "{error}");
        }
    }
}
