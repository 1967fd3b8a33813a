//! Bytes that leave the process: a checksum, then a versioned, named object.
//!
//! `[SHA-256 of what follows: 32 bytes] [tfhe safe serialization]`. The safe serialization carries
//! format version, type version and type name, and is size-limited when read. The checksum finds
//! damage inside the numbers, which no format can.

use cipherformer_circuit::{ParameterSet, hex};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tfhe::core_crypto::commons::math::random::CompressionSeed;
use tfhe::named::Named;
use tfhe::safe_serialization::{DeserializationConfig, SerializationConfig};
use tfhe::{Unversionize, Versionize};

use crate::error::FheError;

const CHECKSUM_BYTES: usize = 32;

/// Stored secret keys are a few kilobytes.
pub(crate) const SECRET_KEY_LIMIT: usize = 1 << 16;

/// Versions and names come before this, after the checksum.
const HEADER: usize = 256;

/// Headers, lengths and the checksum take less than this.
const OVERHEAD: usize = 2048;

/// The most bytes a key or ciphertext of `content` bytes of numbers may have when it arrives.
pub fn size_limit(content: usize) -> usize {
    content + OVERHEAD
}

/// The name of some bytes: their SHA-256, in hexadecimal.
pub fn content_id(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The type name that the header of a key, ciphertext or session state carries.
pub fn type_name(bytes: &[u8]) -> Option<&str> {
    const PREFIX: &[u8] = b"cipherformer::";
    let header = bytes.get(CHECKSUM_BYTES..)?;
    let header = &header[..header.len().min(HEADER)];
    let start = header.windows(PREFIX.len()).position(|at| at == PREFIX)?;
    let name = header[start..]
        .split(|&b| !b.is_ascii_alphanumeric() && b != b':')
        .next();
    std::str::from_utf8(name?).ok()
}

pub(crate) fn encode<T: Serialize + Versionize + Named>(object: &T) -> Vec<u8> {
    const NEVER_FAILS: &str = "plain data, written to memory";
    let config = SerializationConfig::new_with_unlimited_size();
    let size = config.serialized_size(object).expect(NEVER_FAILS) as usize;
    // At full size from the start: growing would leave copies of a secret key behind.
    let mut bytes = Vec::with_capacity(CHECKSUM_BYTES + size);
    bytes.resize(CHECKSUM_BYTES, 0);
    config
        .serialize_into(object, &mut bytes)
        .expect(NEVER_FAILS);
    let checksum = Sha256::digest(&bytes[CHECKSUM_BYTES..]);
    bytes[..CHECKSUM_BYTES].copy_from_slice(&checksum);
    bytes
}

pub(crate) fn decode<T: DeserializeOwned + Unversionize + Named>(
    what: &'static str,
    bytes: &[u8],
    limit: usize,
) -> Result<T, FheError> {
    if bytes.len() > limit {
        return Err(FheError::TooLarge {
            what,
            limit,
            got: bytes.len(),
        });
    }
    let Some((checksum, mut content)) = bytes.split_at_checked(CHECKSUM_BYTES) else {
        return Err(FheError::Malformed {
            what,
            reason: format!("{} bytes are too few", bytes.len()),
        });
    };
    if checksum != Sha256::digest(content).as_slice() {
        return Err(FheError::Checksum { what });
    }
    let object = DeserializationConfig::new(limit as u64)
        .disable_conformance()
        .deserialize_from(&mut content)
        .map_err(|reason| FheError::Malformed { what, reason })?;
    if !content.is_empty() {
        return Err(FheError::Malformed {
            what,
            reason: format!("{} bytes are left over", content.len()),
        });
    }
    Ok(object)
}

/// Whether masks are expanded from the seed's beginning, as they always are when we make them.
///
/// A peer could name any other beginning, some of which make the library panic, and no conformance
/// check of the library looks at it.
pub(crate) fn from_the_beginning(seed: &CompressionSeed) -> bool {
    seed.inner == seed.inner.seed.clone().into()
}

/// Fails unless a key or ciphertext is of the set that is needed.
pub(crate) fn same_set(
    what: &'static str,
    expected: &ParameterSet,
    got: &str,
) -> Result<(), FheError> {
    if expected.name == got {
        return Ok(());
    }
    Err(FheError::ParameterSet {
        what,
        expected: expected.name.to_owned(),
        got: crate::convert::shorten(got),
    })
}
