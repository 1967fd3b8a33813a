//! Names, as sequences of tokens.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::data::{hash, refuse};
use crate::error::ModelError;

/// How many tokens there are: the end mark, and the letters as 1 to 26.
pub(crate) const VOCABULARY: usize = 27;

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
fn read(path: &Path) -> Result<String, ModelError> {
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
}
