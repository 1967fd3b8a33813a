//! Looking for secret keys in bytes, whatever else is around them.

use std::io::{self, Read};

use cipherformer_fhe::{SECRET_KEY_NAME, is_secret_key};

/// Stored secret keys are a few kilobytes; they are checked for being one as a whole.
const SMALL: u64 = 64 << 10;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// What files begin with in which clients keep secret keys under a passphrase.
const SEALED: &str = "age-encryption.org/v1";

/// A row of so many bytes that are 0 or 1, an eighth of them 1, is no accident: stored keys have a byte a bit,
/// and a quarter or half of their bits are 1.
const BITS: usize = 512;

/// Reads to the end; says what was found.
pub(super) fn secrets(mut from: impl Read, length: u64) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut search = Search::default();
    let mut whole = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        search.add(&chunk[..read]);
        if length <= SMALL && whole.len() <= SMALL as usize {
            whole.extend_from_slice(&chunk[..read]);
        }
    }
    if is_secret_key(&whole) {
        found.push("it is a secret key".to_owned());
    }
    if search.named {
        found.push(format!(
            "it contains {SECRET_KEY_NAME:?}, which only secret keys do"
        ));
    }
    if search.sealed {
        found.push(
            "it contains a file under a passphrase, as clients keep secret keys in".to_owned(),
        );
    }
    if search.longest >= BITS {
        found.push(format!(
            "it contains {} bytes in a row that are 0 or 1, as the bits of stored secret keys are",
            search.longest
        ));
    }
    Ok(found)
}

/// What was seen so far.
#[derive(Default)]
struct Search {
    /// The end of what came before: what is looked for may lie across two chunks.
    tail: Vec<u8>,
    named: bool,
    sealed: bool,
    /// The row of zeros and ones that is going on, and how many are ones.
    row: usize,
    ones: usize,
    /// The longest row with enough ones.
    longest: usize,
}

impl Search {
    fn add(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.named |= contains(&self.tail, SECRET_KEY_NAME);
        self.sealed |= contains(&self.tail, SEALED);
        let keep = self.tail.len().min(SECRET_KEY_NAME.len().max(SEALED.len()));
        self.tail.drain(..self.tail.len() - keep);
        for &byte in bytes {
            match byte {
                0 | 1 => {
                    self.row += 1;
                    self.ones += usize::from(byte);
                    if self.ones * 8 >= self.row {
                        self.longest = self.longest.max(self.row);
                    }
                }
                _ => (self.row, self.ones) = (0, 0),
            }
        }
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    // The first byte alone rules out nearly everything.
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == text[0]) {
        rest = &rest[at..];
        if rest.starts_with(text) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives a few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn found(bytes: &[u8], at_a_time: usize) -> Vec<String> {
        secrets(Drip(bytes, at_a_time), bytes.len() as u64).expect("memory")
    }

    proptest! {
        #[test]
        fn what_is_hidden_is_found_wherever_it_lies(
            before in prop::collection::vec(any::<u8>(), 0..200),
            after in prop::collection::vec(any::<u8>(), 0..200),
            at_a_time in 1..100usize,
            what in 0..3usize,
        ) {
            let bits: Vec<u8> = (0..BITS).map(|i| u8::from(i % 4 == 0)).collect();
            let hidden = [SECRET_KEY_NAME.as_bytes(), SEALED.as_bytes(), &bits][what];
            let bytes = [&before, hidden, &after].concat();
            prop_assert_eq!(found(&bytes, at_a_time).len(), 1);
            prop_assert!(found(&bytes[..before.len() + hidden.len() - 9], at_a_time).is_empty());
        }

        #[test]
        fn random_bytes_are_nothing(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            prop_assert!(found(&bytes, 1000).is_empty());
        }
    }

    #[test]
    fn rows_of_zeros_are_nothing() {
        assert!(found(&vec![0; 1 << 16], 4096).is_empty());
        let mut sparse = vec![0; 4096];
        sparse[1000] = 1;
        assert!(found(&sparse, 4096).is_empty());
    }
}
