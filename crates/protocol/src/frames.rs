//! Several ciphertexts in one body: each behind its length, 32 bits, most significant byte first.

/// Bytes that are not parts behind their lengths.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a row of parts, each behind its length of 4 bytes")]
pub struct InvalidFrames;

/// Bytes a part takes besides its own.
pub const FRAME_BYTES: usize = 4;

/// The parts one after the other.
///
/// # Panics
/// If a part has 4 GiB or more: no ciphertext does.
pub fn frame(parts: &[Vec<u8>]) -> Vec<u8> {
    let size = parts.iter().map(|part| part.len() + FRAME_BYTES).sum();
    let mut bytes = Vec::with_capacity(size);
    for part in parts {
        let length = u32::try_from(part.len()).expect("ciphertexts are far smaller");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// The parts of a body.
///
/// # Errors
/// A length that does not fit, or bytes left over.
pub fn unframe(mut bytes: &[u8]) -> Result<Vec<&[u8]>, InvalidFrames> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk().ok_or(InvalidFrames)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (part, rest) = rest.split_at_checked(length).ok_or(InvalidFrames)?;
        parts.push(part);
        bytes = rest;
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_survive_framing(parts in prop::collection::vec(any::<Vec<u8>>(), 0..6)) {
            let bytes = frame(&parts);
            prop_assert_eq!(unframe(&bytes), Ok(parts.iter().map(Vec::as_slice).collect()));
        }

        #[test]
        fn what_is_cut_is_noticed(part in prop::collection::vec(any::<u8>(), 1..50), cut in 1usize..50) {
            let bytes = frame(&[part]);
            let kept = bytes.len() - cut.min(bytes.len() - 1);
            prop_assert_eq!(unframe(&bytes[..kept]), Err(InvalidFrames));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in any::<Vec<u8>>()) {
            let parts = unframe(&bytes).unwrap_or_default();
            prop_assert!(parts.iter().map(|part| part.len() + FRAME_BYTES).sum::<usize>() <= bytes.len());
        }
    }
}
