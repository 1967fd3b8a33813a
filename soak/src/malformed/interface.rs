//! The interface, as the server describes it: its OpenAPI document, read for what a request needs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::Value;

/// All operations.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) operations: Vec<Operation>,
}

/// One operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: Method,
    /// The path, with names of parameters in braces.
    pub(super) pattern: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) takes_body: bool,
    /// Media types of answers by status.
    pub(super) answers: BTreeMap<u16, BTreeSet<String>>,
    /// Methods that the path takes.
    pub(super) methods: BTreeSet<String>,
}

/// One parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) required: bool,
    /// Its schema, references followed.
    pub(super) schema: Value,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
}

impl Interface {
    /// Reads the document.
    pub(super) fn new(document: &Value) -> Result<Self> {
        let paths = document["paths"]
            .as_object()
            .context("the document has no paths")?;
        let mut operations = Vec::new();
        for (pattern, item) in paths {
            let item = item.as_object().context("a path is no object")?;
            let methods = ["get", "put", "post", "delete", "patch", "head"];
            let there = methods.iter().filter(|method| item.contains_key(**method));
            let methods: BTreeSet<String> = there.map(|method| method.to_uppercase()).collect();
            for method in &methods {
                let operation = &item[&method.to_lowercase()];
                operations.push(Operation {
                    method: method.parse()?,
                    pattern: pattern.clone(),
                    parameters: parameters(document, operation)?,
                    takes_body: operation.get("requestBody").is_some(),
                    answers: answers(operation)?,
                    methods: methods.clone(),
                });
            }
        }
        ensure!(!operations.is_empty(), "the document has no operations");
        Ok(Self { operations })
    }
}

fn parameters(document: &Value, operation: &Value) -> Result<Vec<Parameter>> {
    let parameters = operation["parameters"].as_array();
    let read = |parameter: &Value| {
        let parameter = resolve(document, parameter);
        Ok(Parameter {
            name: parameter["name"]
                .as_str()
                .context("it has no name")?
                .to_owned(),
            place: match parameter["in"].as_str() {
                Some("path") => Place::Path,
                Some("query") => Place::Query,
                Some("header") => Place::Header,
                other => anyhow::bail!("a parameter is in {other:?}"),
            },
            required: parameter["required"].as_bool().unwrap_or(false),
            schema: resolve(document, &parameter["schema"]).clone(),
        })
    };
    parameters.into_iter().flatten().map(read).collect()
}

fn answers(operation: &Value) -> Result<BTreeMap<u16, BTreeSet<String>>> {
    let answers = operation["responses"]
        .as_object()
        .context("it has no answers")?;
    let read = |(status, answer): (&String, &Value)| {
        let types = answer["content"].as_object();
        let types = types.into_iter().flat_map(|types| types.keys().cloned());
        Ok((status.parse()?, types.collect()))
    };
    answers.iter().map(read).collect()
}

/// What a reference stands for.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix('#'));
    match reference.and_then(|path| document.pointer(path)) {
        Some(target) => resolve(document, target),
        None => value,
    }
}
