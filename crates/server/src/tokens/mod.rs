//! Tokens: who may use the server, and as whom.
//!
//! A token is 256 random bits that its client shows with every request. The server keeps SHA-256 of it and no more. That
//! is enough: passwords need a slow hash because they can be guessed, and 256 bits cannot.

mod entry;
mod file;
mod live;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

pub use entry::TokenEntry;
pub use file::TokenFile;
pub(crate) use live::{LiveTokens, Unwelcome};

/// What every token begins with, so that people and scanners for leaked secrets know one when they see it.
const PREFIX: &str = "cft_";

/// SHA-256 of a token as it is sent.
type Hash = [u8; 32];

/// A new token, from the generator that the system seeds.
fn draw() -> String {
    let bits: [u8; 32] = rand::random();
    format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bits))
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(all(test, unix))]
mod tests;
