//! The configuration file.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::Path;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};
use serde::Deserialize;
use toml::{Spanned, Value};

use crate::config::CircuitConfig;
use crate::config::sources::{fields, name};
use crate::error::ConfigError;

/// The table that holds a table for each circuit.
const CIRCUIT: &str = "circuit";

/// What a file says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct File {
    /// By the names of fields, as they would be given to flags.
    pub(super) values: BTreeMap<String, String>,
    pub(super) circuit: BTreeMap<String, CircuitConfig>,
}

/// The tables of a file; what else is in it is read on its own.
#[derive(Deserialize)]
struct Tables {
    #[serde(default)]
    circuit: BTreeMap<String, CircuitConfig>,
}

/// Reads a file and checks every value in it, so that what is wrong can be found by its line.
pub(super) fn read(path: &Path) -> Result<File, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::File {
        path: path.to_owned(),
        source,
    })?;
    parse(&text).map_err(|(span, reason)| ConfigError::Line {
        path: path.to_owned(),
        line: 1 + text[..span.start].matches('\n').count(),
        reason,
    })
}

/// What is wrong, and where.
type Fault = (Range<usize>, String);

fn parse(text: &str) -> Result<File, Fault> {
    let fault = |error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let reason = error.message().lines().collect::<Vec<_>>().join(" ");
        (start..start, reason)
    };
    let all: BTreeMap<Spanned<String>, Spanned<Value>> = toml::from_str(text).map_err(fault)?;
    let Tables { circuit } = toml::from_str(text).map_err(fault)?;
    let mut values = BTreeMap::new();
    for (key, value) in all {
        let at = key.span();
        let key = key.into_inner();
        if key == CIRCUIT {
            continue;
        }
        let field = fields().find(|field| name(field) == key);
        let field = field.ok_or_else(|| (at.clone(), unknown(&key)))?;
        let value = flat(value.into_inner()).and_then(|value| check(field, value));
        let value = value.map_err(|reason| (at, format!("{key}: {reason}")))?;
        values.insert(key, value);
    }
    Ok(File { values, circuit })
}

fn unknown(key: &str) -> String {
    let known: Vec<String> = fields().map(|field| name(&field)).collect();
    format!(
        "there is no field {key:?}; there are {} and the tables [{CIRCUIT}.NAME]",
        known.join(", ")
    )
}

/// A value as it would be given to a flag.
fn flat(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Integer(number) => Ok(number.to_string()),
        other => Err(format!(
            "{} is of no use here; give a text or a number",
            other.type_str()
        )),
    }
}

/// The value, if the field's own parser takes it.
fn check(field: Arg, value: String) -> Result<String, String> {
    let flag = format!("--{}={value}", field.get_long().unwrap_or_default());
    let command = Command::new("file").no_binary_name(true).arg(field);
    match command.try_get_matches_from([flag]) {
        Ok(_) => Ok(value),
        Err(error) => Err(format!("{value:?} cannot be used: {}", reason(&error))),
    }
}

fn reason(error: &clap::Error) -> String {
    match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => source.to_string(),
        (None, Some(ContextValue::Strings(values))) => format!("it can be {}", values.join(" or ")),
        (None, _) => "`--help` says what it can be".to_owned(),
    }
}

#[cfg(test)]
mod tests;
