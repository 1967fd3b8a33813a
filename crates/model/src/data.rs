//! Labelled texts from CSV files.

use std::fs;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use crate::error::ModelError;

/// A text and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The text.
    pub text: String,
    /// What it is: an index into the labels.
    pub label: usize,
}

/// Reads a CSV file with the columns `text` and `label` (one of the labels, or its number from 0), header first, UTF-8.
///
/// # Errors
/// A file that is missing, empty or not UTF-8, lacks the header, or has a row with another label.
pub fn load_examples<S: AsRef<str>>(path: &Path, labels: &[S]) -> Result<Vec<Example>, ModelError> {
    let text = read_text(path)?;
    let mut reader =
        ReaderBuilder::new().from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let columns = columns(
        path,
        reader.headers().map_err(|error| from_csv(path, &error))?,
    )?;
    let examples = reader
        .records()
        .map(|record| {
            example(
                path,
                &record.map_err(|error| from_csv(path, &error))?,
                columns,
                labels,
            )
        })
        .collect::<Result<Vec<_>, _>>()?;
    if examples.is_empty() {
        return Err(refuse(
            path,
            None,
            "there are no rows after the header; add some",
        ));
    }
    Ok(examples)
}

/// The whole file, which must be UTF-8 and not empty.
fn read_text(path: &Path) -> Result<String, ModelError> {
    let bytes = fs::read(path).map_err(|source| ModelError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|&&b| b == b'\n').count() as u64;
        refuse(path, Some(line), "the text is not UTF-8; convert the file")
    })?;
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        let reason = "the file is empty; it needs the columns text,label";
        return Err(refuse(path, None, reason));
    }
    Ok(text)
}

/// Where the columns `text` and `label` are.
fn columns(path: &Path, header: &StringRecord) -> Result<(usize, usize), ModelError> {
    let find = |name| header.iter().position(|column| column.trim() == name);
    find("text").zip(find("label")).ok_or_else(|| {
        let reason = "the first line does not name the columns text and label; \
                      add the header text,label";
        refuse(path, Some(1), reason)
    })
}

fn example<S: AsRef<str>>(
    path: &Path,
    record: &StringRecord,
    (text, label): (usize, usize),
    labels: &[S],
) -> Result<Example, ModelError> {
    let got = record.get(label).map_or("", str::trim);
    let known = || labels.iter().map(AsRef::as_ref).enumerate();
    let index = known().find(|&(number, label)| got == label || got == number.to_string());
    let Some((label, _)) = index else {
        let got: String = got.chars().take(40).collect();
        let known: Vec<String> = known()
            .map(|(number, label)| format!("{number} for {label}"))
            .collect();
        let reason = format!("the label is {got:?}; use {}", known.join(" or "));
        let line = record.position().map(csv::Position::line);
        return Err(refuse(path, line, &reason));
    };
    Ok(Example {
        text: record.get(text).unwrap_or_default().to_owned(),
        label,
    })
}

fn from_csv(path: &Path, error: &csv::Error) -> ModelError {
    let line = error.position().map(csv::Position::line);
    let reason = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!(
            "the row has {len} fields instead of {expected_len}; put quotes around texts with commas"
        ),
        _ => format!("{error}; correct the file"),
    };
    refuse(path, line, &reason)
}

pub(crate) fn refuse(path: &Path, line: Option<u64>, reason: &str) -> ModelError {
    ModelError::Data {
        path: path.to_owned(),
        line,
        reason: reason.to_owned(),
    }
}

/// FNV-1a, then the end of MurmurHash3, without which short texts fall into few parts.
pub(crate) fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}
