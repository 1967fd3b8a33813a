//! Identifiers that are safe to use in paths and file names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A type of ids that are a fixed number of lower-case hexadecimal digits.
macro_rules! hex_id {
    ($(#[$doc:meta])* $id:ident, $digits:literal, $what:literal, $invalid:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $id(String);

        #[doc = concat!("Text that is not ", $what, ".")]
        #[derive(Debug, PartialEq, Eq, thiserror::Error)]
        #[error("{} is {} hexadecimal digits, lower case", $what, $digits)]
        pub struct $invalid;

        impl FromStr for $id {
            type Err = $invalid;

            fn from_str(text: &str) -> Result<Self, $invalid> {
                let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                match text.len() == $digits && text.bytes().all(hex) {
                    true => Ok(Self(text.to_owned())),
                    false => Err($invalid),
                }
            }
        }

        impl TryFrom<String> for $id {
            type Error = $invalid;

            fn try_from(text: String) -> Result<Self, $invalid> {
                text.parse()
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.0
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $id {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let digits = utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .pattern(Some($id::PATTERN))
                    .description(Some(concat!(
                        $digits,
                        " lower-case hexadecimal digits: ",
                        $what
                    )));
                digits.into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $id {}

        impl $id {
            /// The regular expression of its text.
            pub const PATTERN: &str = concat!("^[0-9a-f]{", $digits, "}$");
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

hex_id! {
    /// The name of an evaluation key: SHA-256 of its bytes, 64 lower-case hexadecimal digits.
    KeyId,
    64,
    "a key id",
    InvalidKeyId
}

hex_id! {
    /// The name of a session: 128 random bits, 32 lower-case hexadecimal digits. Who knows it, and the
    /// key's id, may go on with the session; so it appears in no log.
    SessionId,
    32,
    "a session id",
    InvalidSessionId
}

impl KeyId {
    /// The id of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(cipherformer_circuit::hex(&Sha256::digest(bytes)))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyId").field(&self.0).finish()
    }
}

impl SessionId {
    /// The id of these bits, which the server draws at random.
    pub fn new(bits: u128) -> Self {
        Self(format!("{bits:032x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId")
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

    #[test]
    fn a_session_id_is_not_shown_by_accident() {
        assert_eq!(format!("{:?}", SessionId::new(7)), "SessionId");
    }

    proptest! {
        #[test]
        fn only_64_hex_digits_parse(text in ".{0,80}|[0-9a-f]{31,65}") {
            let hex = text.bytes().all(|b| b"0123456789abcdef".contains(&b));
            prop_assert_eq!(text.parse::<KeyId>().is_ok(), text.len() == 64 && hex);
            prop_assert_eq!(text.parse::<SessionId>().is_ok(), text.len() == 32 && hex);
        }

        #[test]
        fn ids_round_trip(bytes in any::<Vec<u8>>(), bits in any::<u128>()) {
            let id = KeyId::of(&bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            let id = SessionId::new(bits);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}
