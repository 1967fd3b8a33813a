//! What is kept of a token.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::owner::Owner;
use crate::tokens::Hash;

/// One token, without what its client holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    /// Whose it is. Keys and sessions belong to the name.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// SHA-256 of the token as it is sent.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub(super) sha256: Hash,
    /// When it was made.
    pub created: Timestamp,
    /// How many evaluations its client may have a day, if they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluations_per_day: Option<u64>,
    /// From when on it is worth nothing, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

impl TokenEntry {
    /// Whether it is worth nothing any more.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    pub(super) fn owner(&self) -> Owner {
        Owner {
            name: Some(self.name.clone()),
            evaluations_per_day: self.evaluations_per_day,
        }
    }
}

/// Names appear in logs, and in lists for people.
pub(super) fn is_name(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(fine)
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let name = String::deserialize(from)?;
    match is_name(&name) {
        true => Ok(name),
        false => Err(de::Error::custom(
            "a name is 1 to 64 letters, digits, dots, underscores and hyphens",
        )),
    }
}

fn to_hex<S: Serializer>(hash: &Hash, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&cipherformer_circuit::hex(hash))
}

fn from_hex<'de, D: Deserializer<'de>>(from: D) -> Result<Hash, D::Error> {
    let text = String::deserialize(from)?;
    let digits = text.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let hash = bytes.and_then(|bytes| Hash::try_from(bytes).ok());
    // Read back as it is written, so that signs and capitals are no other way to write it.
    hash.filter(|hash| cipherformer_circuit::hex(hash) == text)
        .ok_or_else(|| de::Error::custom("sha256 is 64 hexadecimal digits, lower case"))
}
