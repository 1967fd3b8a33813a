//! The public part of a circuit: all that a client gets to know.

use serde::{Deserialize, Serialize};

use crate::features::MAX_ENTRIES;
use crate::lower::{LUT_HALF_RANGE, RESPONSE_HALF_RANGE};
use crate::parameters::{self, ParameterSet};
use crate::policy::OutputPolicy;

/// No circuit of this format has more labels.
pub(crate) const MAX_LABELS: usize = 256;

/// No session of this format has more positions.
pub const MAX_CONTEXT: usize = 1024;

/// The manifest format this build reads and writes.
pub const FORMAT: u32 = 2;

/// What a client needs to encrypt an input and to read an output, and nothing of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// The circuit's name: lower-case letters, digits and hyphens.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// SHA-256 of the whole circuit, private body included, in hexadecimal.
    pub digest: String,
    /// Name of the parameter set its ciphertexts use.
    pub parameter_set: String,
    /// How the input is laid out.
    pub input: InputLayout,
    /// How the output is laid out.
    pub output: OutputLayout,
}

/// The kinds of inputs there are; each has its own layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// A bag of features.
    Bag,
    /// One token of the vocabulary at a time: a bag of just that.
    Tokens,
}

/// The kinds of outputs there are; each has its own layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputKind {
    /// One score per label.
    Scores,
    /// One logit per token of the vocabulary.
    Logits,
}

/// A bag of features: coefficient v of the plaintext is `scale / max(n, min_count)` for each of the n
/// features v that the text has, and 0 for all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputLayout {
    /// What kind of input it is.
    pub kind: InputKind,
    /// How many positions a session may have; 1 where there is nothing to continue.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub context: usize,
    /// How many features there are.
    pub entries: usize,
    /// At most this many features of a text are used.
    pub max_features: usize,
    /// Texts with fewer features than this are weighted as if they had this many.
    pub min_count: usize,
    /// Torus units for a weight of 1.
    pub scale: f64,
    /// SHA-256 of the vocabulary, in hexadecimal.
    pub vocabulary_sha256: String,
}

fn one() -> usize {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so
fn is_one(count: &usize) -> bool {
    *count == 1
}

/// One score per label: the decrypted torus value divided by `scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputLayout {
    /// What kind of output it is.
    pub kind: OutputKind,
    /// What the scores are of, in order; the largest score wins.
    pub labels: Vec<String>,
    /// Torus units per unit of score, for each label.
    pub scale: Vec<f64>,
    /// How much of the scores is in the output.
    #[serde(default)]
    pub policy: OutputPolicy,
    /// Standard deviation of the noise of every output, as a fraction of the torus: what the server floods it to. It
    /// does not know the noise that LUTs make of that at their inputs, which scores carry on top.
    pub noise: f64,
}

impl Manifest {
    /// Checks every name and number, and finds the parameter set. What passes can be used without
    /// further thought, whoever wrote it.
    ///
    /// # Errors
    /// What is wrong, in one clause.
    pub fn check(&self) -> Result<&'static ParameterSet, String> {
        if self.format != FORMAT {
            return Err(format!(
                "format {} is not {FORMAT}, which this build reads",
                self.format
            ));
        }
        if !is_circuit_name(&self.name) {
            return Err(
                "its name is not 1 to 64 lower-case letters, digits and hyphens".to_owned(),
            );
        }
        if self.digest.len() != 64 || !self.digest.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("its digest is not 64 hexadecimal digits".to_owned());
        }
        self.input.check()?;
        self.output.check()?;
        parameters::by_name(&self.parameter_set).ok_or_else(|| {
            let known = parameters::names();
            format!(
                "it uses parameter set {:?}; this build knows {known}",
                self.parameter_set.chars().take(40).collect::<String>()
            )
        })
    }
}

/// Whether a circuit may have this name: 1 to 64 lower-case letters, digits and hyphens, which need no
/// escaping in a path.
pub fn is_circuit_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// What is wrong with these as a circuit's labels, if anything: 1 to 256 of them, each 1 to 64 printable characters.
///
/// # Errors
/// What is wrong, in one clause.
pub fn check_labels(labels: &[String]) -> Result<(), String> {
    if !(1..=MAX_LABELS).contains(&labels.len()) {
        return Err(format!("{} labels, not 1 to {MAX_LABELS}", labels.len()));
    }
    let fits = |label: &String| {
        (1..=64).contains(&label.chars().count()) && !label.contains(char::is_control)
    };
    if !labels.iter().all(fits) {
        return Err("a label is empty, too long or not printable".to_owned());
    }
    Ok(())
}

impl InputLayout {
    fn check(&self) -> Result<(), String> {
        if !(1..=MAX_ENTRIES).contains(&self.entries) {
            return Err(format!("{} features, not 1 to {MAX_ENTRIES}", self.entries));
        }
        if !(1..=MAX_CONTEXT).contains(&self.context) {
            return Err(format!(
                "a context of {} positions, not 1 to {MAX_CONTEXT}",
                self.context
            ));
        }
        if self.kind == InputKind::Tokens && (self.max_features, self.min_count) != (1, 1) {
            return Err("its tokens do not come one at a time".to_owned());
        }
        if self.min_count == 0 || self.max_features < self.min_count {
            return Err(format!(
                "min_count {} must be positive and at most max_features {}",
                self.min_count, self.max_features
            ));
        }
        // The whole bag may fill half of a LUT's range.
        if !(self.scale > 0.0 && self.scale < LUT_HALF_RANGE) {
            return Err(format!(
                "input scale {} is not between 0 and 0.25",
                self.scale
            ));
        }
        Ok(())
    }
}

impl OutputLayout {
    fn check(&self) -> Result<(), String> {
        check_labels(&self.labels)?;
        if self.scale.len() != self.labels.len() {
            return Err(format!(
                "{} output scales for {} labels",
                self.scale.len(),
                self.labels.len()
            ));
        }
        // Far wider than any real circuit's, and narrow enough that no score overflows.
        if !self
            .scale
            .iter()
            .all(|scale| (1e-12..=1e12).contains(scale))
        {
            return Err("an output scale is not a sensible positive number".to_owned());
        }
        if !(0.0..RESPONSE_HALF_RANGE).contains(&self.noise) {
            return Err("the output's noise is not a part of the torus".to_owned());
        }
        Ok(())
    }

    /// Index of the largest score; the first of equals.
    pub fn argmax(scores: &[f64]) -> usize {
        let mut best = 0;
        for (index, score) in scores.iter().enumerate() {
            if *score > scores[best] {
                best = index;
            }
        }
        best
    }
}
