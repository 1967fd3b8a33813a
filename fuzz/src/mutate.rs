//! Damage to valid messages: what finds its way past the first checks.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How far from either end most damage is done: there are names, versions, lengths and seeds. In between are
/// numbers, any of which are as good as others.
const ENDS: usize = 320;
/// The most changes to one message.
const CHANGES: usize = 4;

/// Numbers at the edges of types, as lengths or positions.
const EDGES: [u64; 9] = [
    0,
    1,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    1 << 40,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// What texts have trouble with.
const WORDS: [&str; 16] = [
    "1e999",
    "-1",
    "-0.0",
    "1e-320",
    "18446744073709551616",
    "null",
    "\"\"",
    "{}",
    "[[[[[[[[",
    "\\ud800",
    "\\u0000",
    "\u{feff}",
    "\u{202e}",
    "\n\n",
    ",",
    "insecure-toy",
];

/// One change to a message.
#[derive(Clone, Debug)]
pub struct Mutation {
    change: Change,
    place: Place,
}

#[derive(Clone, Debug)]
enum Change {
    Flip(u8),
    Set(u8),
    /// Eight bytes, the least significant first, or four, the most significant first.
    Number(u64, bool),
    /// The end is gone.
    Cut,
    /// So many bytes are gone.
    Remove(usize),
    /// So many bytes come twice.
    Repeat(usize),
    Insert(Vec<u8>),
    /// The rest is that of another message.
    Splice(u32),
}

#[derive(Clone, Copy, Debug)]
enum Place {
    FromStart(usize),
    FromEnd(usize),
    Anywhere(u32),
}

impl Mutation {
    /// Draws one.
    pub fn drawn(seed: u64) -> Self {
        Self::draw(&mut StdRng::seed_from_u64(seed))
    }

    fn draw(random: &mut StdRng) -> Self {
        let change = match random.random_range(0..12) {
            0..=2 => Change::Flip(random.random_range(0..8)),
            3 | 4 => Change::Set(random.random()),
            5 | 6 => Change::Number(EDGES[random.random_range(0..EDGES.len())], random.random()),
            7 => Change::Cut,
            8 => Change::Remove(random.random_range(1..40)),
            9 => Change::Repeat(random.random_range(1..200)),
            10 => {
                let word = WORDS[random.random_range(0..WORDS.len())];
                Change::Insert(word.as_bytes().to_vec())
            }
            _ => Change::Splice(random.random()),
        };
        let place = match random.random_range(0..4) {
            0 | 1 => Place::FromStart(random.random_range(0..ENDS)),
            2 => Place::FromEnd(random.random_range(0..ENDS)),
            _ => Place::Anywhere(random.random()),
        };
        Self { change, place }
    }

    /// Changes a message; `other` is another one of its kind.
    pub fn apply(&self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.place.in_length(bytes.len());
        match &self.change {
            Change::Flip(bit) => change(bytes, at, |byte| byte ^ (1 << bit)),
            Change::Set(value) => change(bytes, at, |_| *value),
            Change::Number(number, little) => {
                let number = match little {
                    true => number.to_le_bytes().to_vec(),
                    false => (*number as u32).to_be_bytes().to_vec(),
                };
                for (i, value) in number.into_iter().enumerate() {
                    change(bytes, at + i, |_| value);
                }
            }
            Change::Cut => bytes.truncate(at),
            Change::Remove(count) => drop(bytes.drain(at..(at + count).min(bytes.len()))),
            Change::Repeat(count) => {
                let twice = bytes[at..(at + count).min(bytes.len())].to_vec();
                bytes.splice(at..at, twice);
            }
            Change::Insert(word) => drop(bytes.splice(at..at, word.iter().copied())),
            Change::Splice(place) => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[Place::Anywhere(*place).in_length(other.len())..]);
            }
        }
    }
}

impl Place {
    /// At most the length.
    fn in_length(self, length: usize) -> usize {
        match self {
            Self::FromStart(distance) => distance.min(length),
            Self::FromEnd(distance) => length.saturating_sub(distance),
            Self::Anywhere(part) => (part as usize * (length + 1)) >> 32,
        }
    }
}

fn change(bytes: &mut [u8], at: usize, to: impl Fn(u8) -> u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = to(*byte);
    }
}

/// One of these messages with a few changes; the number of the input repeats it.
pub fn mutated(messages: &[Vec<u8>], input: u64) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(input);
    let (Some(message), Some(other)) = (pick(messages, &mut random), pick(messages, &mut random))
    else {
        return Vec::new();
    };
    let mut bytes = message.clone();
    for _ in 0..random.random_range(1..=CHANGES) {
        Mutation::draw(&mut random).apply(&mut bytes, other);
    }
    bytes
}

fn pick<'a>(messages: &'a [Vec<u8>], random: &mut StdRng) -> Option<&'a Vec<u8>> {
    messages.get(random.random_range(0..messages.len().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_repeat_and_differ() {
        // Longer than both ends, as the messages of the readers are: of a short one, most damage is done to its end.
        let messages = [b"one message".repeat(80), b"another one".repeat(80)];
        let inputs: Vec<_> = (0..200).map(|input| mutated(&messages, input)).collect();
        assert_eq!(mutated(&messages, 7), inputs[7]);
        let distinct: std::collections::HashSet<_> = inputs.iter().collect();
        assert!(distinct.len() > 150, "{}", distinct.len());
    }

    #[test]
    fn any_message_can_be_changed() {
        for input in 0..2000 {
            mutated(&[Vec::new(), vec![1]], input);
            mutated(&[], input);
        }
    }
}
