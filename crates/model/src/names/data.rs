//! Names, as sequences of tokens.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};

use crate::error::ModelError;

/// How many tokens there are: the end mark and 26 letters.
pub(crate) const VOCABULARY: usize = 27;

/// The token that starts and ends a name; the letters are 1 to 26.
pub(crate) const END: u8 = 0;

/// How many tokens the model sees: a name of at most 15 letters after the end mark.
pub(crate) const CONTEXT: usize = 16;

/// Names as tokens without end marks, split by a hash of each: a name's part depends on nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// 80 %.
    pub(crate) train: Vec<Vec<u8>>,
    /// 10 %, for choices.
    pub(crate) validation: Vec<Vec<u8>>,
    /// 10 %, for reported figures.
    pub(crate) test: Vec<Vec<u8>>,
}

impl Names {
    /// Reads a file with one name a line, of lower-case letters. Names longer than 15 letters are left out,
    /// and so are repetitions.
    ///
    /// # Errors
    /// A file that is missing, holds other characters, or leaves one of the parts empty.
    pub(crate) fn load(path: &Path) -> Result<Self, ModelError> {
        let text = read(path)?;
        let names = Self::split(text.lines().map(str::trim));
        if [&names.train, &names.validation, &names.test]
            .iter()
            .any(|part| part.is_empty())
        {
            return Err(refuse(path, None, "there are too few names; add some"));
        }
        Ok(names)
    }

    fn split<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let fits = |name: &&str| (1..CONTEXT).contains(&name.len());
        let unique: BTreeSet<&str> = names.filter(fits).collect();
        let mut split = Self {
            train: Vec::new(),
            validation: Vec::new(),
            test: Vec::new(),
        };
        for name in unique {
            let part = match hash(name) % 10 {
                0 => &mut split.test,
                1 => &mut split.validation,
                _ => &mut split.train,
            };
            part.push(name.bytes().map(|letter| letter - b'a' + 1).collect());
        }
        split
    }
}

/// A file with one name a line, of lower-case letters; other lines are refused.
pub(crate) fn read(path: &Path) -> Result<String, ModelError> {
    let text = fs::read_to_string(path).map_err(|source| ModelError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    for (index, line) in text.lines().enumerate() {
        if !line.trim().bytes().all(|b| b.is_ascii_lowercase()) {
            let reason =
                "a name has other characters than a to z; remove it or spell it with those";
            return Err(refuse(path, Some(index as u64 + 1), reason));
        }
    }
    Ok(text)
}

pub(crate) fn refuse(path: &Path, line: Option<u64>, reason: &str) -> ModelError {
    ModelError::Data {
        path: path.to_owned(),
        line,
        reason: reason.to_owned(),
    }
}

/// FNV-1a, then the end of MurmurHash3, without which short names fall into few parts.
fn hash(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// Names side by side. All positions of all names are rows; attention works on pairs of rows of one name.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Per row, which row of the tables of block 1: `position * VOCABULARY + token`.
    pub(crate) entry: Tensor,
    /// Per row, the token that comes next.
    pub(crate) target: Tensor,
    /// Per pair, the row that looks.
    pub(crate) query: Tensor,
    /// Per pair, the row looked at, the same or an earlier one.
    pub(crate) key: Tensor,
    /// Per pair, one part of the number of rows that the row looks at, \[pairs x 1\].
    pub(crate) share: Tensor,
}

impl Batch {
    /// Of names without end marks.
    pub(crate) fn new<'a>(
        names: impl IntoIterator<Item = &'a Vec<u8>>,
    ) -> Result<Self, ModelError> {
        let (mut entry, mut target) = (Vec::new(), Vec::new());
        let (mut query, mut key, mut share) = (Vec::new(), Vec::new(), Vec::new());
        for name in names {
            let first = entry.len() as u32;
            let inputs = [END].into_iter().chain(name.iter().copied());
            for (position, token) in inputs.enumerate() {
                entry.push((position * VOCABULARY) as u32 + u32::from(token));
                target.push(u32::from(*name.get(position).unwrap_or(&END)));
                for earlier in 0..=position as u32 {
                    query.push(first + position as u32);
                    key.push(first + earlier);
                    share.push(1.0 / (position as f32 + 1.0));
                }
            }
        }
        let pairs = share.len();
        let indices = |list: Vec<u32>| {
            let length = list.len();
            Tensor::from_vec(list, length, &Device::Cpu)
        };
        Ok(Self {
            entry: indices(entry)?,
            target: indices(target)?,
            query: indices(query)?,
            key: indices(key)?,
            share: Tensor::from_vec(share, (pairs, 1), &Device::Cpu)?,
        })
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.entry.elem_count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_in_two_parts() {
        let list: Vec<String> = (b'a'..=b'z')
            .flat_map(|a| (b'a'..=b'z').map(move |b| String::from_utf8(vec![a, b, a])))
            .map(|name| name.expect("letters"))
            .collect();
        let twice = list.iter().chain(&list).map(String::as_str);
        let names = Names::split(twice.chain(["abcdefghijklmnop"]));
        let parts = [&names.train, &names.validation, &names.test];
        let all: BTreeSet<_> = parts.into_iter().flatten().collect();
        assert_eq!(all.len(), 676);
        assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), 676);
        assert!(parts[1].len() > 40 && parts[2].len() > 40);
    }

    #[test]
    fn the_shipped_unseen_names_are_the_test_part() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/names");
        let names = Names::load(&data.join("names.txt")).expect("shipped data");
        let unseen = read(&data.join("unseen.txt")).expect("shipped data");
        let tokens = |name: &str| name.bytes().map(|b| b - b'a' + 1).collect::<Vec<u8>>();
        let unseen: Vec<Vec<u8>> = unseen.lines().map(tokens).collect();
        assert_eq!(unseen, names.test);
    }

    #[test]
    fn rows_and_pairs_of_a_name() {
        let batch = Batch::new([&vec![5, 13, 13, 1], &vec![1]]).expect("a batch");
        assert_eq!(batch.rows(), 7);
        assert_eq!(
            batch.target.to_vec1::<u32>().expect("rows"),
            [5, 13, 13, 1, 0, 1, 0]
        );
        let entry = batch.entry.to_vec1::<u32>().expect("rows");
        assert_eq!(entry, [0, 32, 67, 94, 109, 0, 28]);
        let key = batch.key.to_vec1::<u32>().expect("pairs");
        assert_eq!(key[15..], [5, 5, 6]);
    }
}
