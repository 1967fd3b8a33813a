//! Identifiers that are safe to use in paths and file names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The name of an evaluation key: SHA-256 of its bytes, 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

impl KeyId {
    /// The id of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(cipherformer_circuit::hex(&Sha256::digest(bytes)))
    }
}

/// Text that is not a key id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 64 hexadecimal digits, lower case")]
pub struct InvalidKeyId;

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKeyId)
        }
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidKeyId;

    fn try_from(text: String) -> Result<Self, InvalidKeyId> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn id_of_nothing_is_the_well_known_hash() {
        let id = KeyId::of(b"").to_string();
        assert!(id.starts_with("e3b0c44298fc1c14") && id.len() == 64);
    }

    proptest! {
        #[test]
        fn only_64_hex_digits_parse(text in ".{0,80}") {
            let valid = text.len() == 64
                && text.bytes().all(|b| b"0123456789abcdef".contains(&b));
            prop_assert_eq!(text.parse::<KeyId>().is_ok(), valid);
        }

        #[test]
        fn ids_round_trip(bytes in any::<Vec<u8>>()) {
            let id = KeyId::of(&bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}
