//! Choosing parameters by computation: the cheapest that a circuit's noise budget allows.
//!
//! Candidates differ in the blind rotation's ring, its decomposition, the small key (whose dimension is the smallest with
//! 128-bit security under its noise), the decompositions of key switches, and how finely the bootstrapping key
//! travels. They are tried from the cheapest on: a circuit is lowered under each, and every operation's predicted noise is
//! held against what the model tolerates there.

mod candidates;
mod search;

use serde::Serialize;

use crate::circuit::Circuit;
use crate::cost::Speed;
use crate::error::CircuitError;
use crate::parameters::{ParameterSet, tuned};
pub use candidates::candidates;
use search::{Search, Tolerance};

/// What a set of parameters has to achieve.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// Largest noise at any input, as a fraction of its range; `None`: at every operation what the circuit has now, and at
    /// most 2 % more, as rounded scales differ from set to set.
    pub input_noise: Option<f64>,
    /// Largest evaluation key, in bytes.
    pub key_bytes: usize,
    /// Speed of the core that candidates are timed for.
    pub speed: Speed,
}

/// A set of parameters with what it would give the circuit.
#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    /// Name of the parameter set.
    pub parameter_set: String,
    /// Predicted time of an evaluation on one core.
    pub seconds: f64,
    /// Predicted time of a LUT on one core.
    pub lut_seconds: f64,
    /// Size of the evaluation key.
    pub key_bytes: usize,
    /// Largest noise at an input, as a fraction of its range.
    pub worst_input_noise: f64,
    /// log2 of the largest probability of a failure.
    pub worst_failure_log2: f64,
    /// The operation that comes closest to the noise it may have.
    pub limited_by: Verdict,
}

/// How an operation's noise compares with what is tolerated.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The operation.
    pub layer: String,
    /// Its predicted noise, as a fraction of its range.
    pub noise: f64,
    /// What is tolerated.
    pub tolerated: f64,
    /// log2 of noise over tolerance: how many bits are missing, or, negative, left.
    pub excess_bits: f64,
}

/// A cheaper set that will not do.
#[derive(Clone, Debug, Serialize)]
pub struct Rejected {
    /// Its name.
    pub parameter_set: String,
    /// The operation that fails.
    pub layer: String,
    /// By how many bits.
    pub bits: f64,
    /// Predicted time of a LUT on one core.
    pub lut_seconds: f64,
    /// Why not, in a sentence.
    pub reason: String,
}

/// What was chosen, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Tuning {
    /// The cheapest set that will do.
    pub chosen: Candidate,
    /// The next one.
    pub runner_up: Option<Candidate>,
    /// Cheaper sets that will not do: for each operation that fails first, the one that comes closest.
    pub rejected: Vec<Rejected>,
    /// How many candidates there were.
    pub candidates: usize,
}

/// Why no set will do.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// An operation's noise is too large under every set.
    #[error(
        "impossible: {layer} is too noisy by {bits:.1} bits even under the best sets for it, such as {parameter_set}; tolerate \
         more noise there, or train the circuit with smaller ranges or fewer inputs"
    )]
    Impossible {
        /// The operation.
        layer: String,
        /// log2 of its noise over what is tolerated.
        bits: f64,
        /// The set that comes closest.
        parameter_set: String,
    },
    /// No set has a key that is short enough.
    #[error(
        "no set that will do has an evaluation key of at most {limit} bytes; the shortest has {shortest}"
    )]
    KeySize {
        /// What was asked for.
        limit: usize,
        /// The shortest there is.
        shortest: usize,
    },
    /// The circuit is wrong, whatever the parameters.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
}

/// Chooses parameters for a circuit. Calls `tried` after each candidate.
///
/// # Errors
/// No candidate will do.
pub fn tune(
    circuit: &Circuit,
    goal: &Goal,
    mut tried: impl FnMut(usize),
) -> Result<Tuning, TuneError> {
    let tolerance = Tolerance::of(circuit, goal);
    let mut candidates = candidates();
    // What it has now will do, but perhaps has digits of its own.
    candidates.extend(Some(*circuit.parameters()).filter(tuned::is_sound));
    let seconds = |set: &ParameterSet| lut_seconds(circuit, set, &goal.speed);
    candidates.sort_by(|a, b| {
        let key = |set: &ParameterSet| (set.evaluation_key_bytes(), tuned::name(set));
        seconds(a)
            .total_cmp(&seconds(b))
            .then_with(|| key(a).cmp(&key(b)))
    });
    let mut search = Search::default();
    for (i, set) in candidates.iter().enumerate() {
        search.consider(circuit, set, &tolerance, goal)?;
        tried(i + 1);
        if search.fit.len() == 2 {
            break;
        }
    }
    search.finish(candidates.len(), goal)
}

/// Of all LUTs of the last position, which is what candidates are sorted by.
fn lut_seconds(circuit: &Circuit, set: &ParameterSet, speed: &Speed) -> f64 {
    let nodes = circuit.nodes(circuit.positions() - 1).iter();
    let each = nodes.filter_map(|node| Some((node.luts(), node.precision()?)));
    each.map(|(luts, precision)| luts as f64 * set.lut_seconds(precision, speed))
        .sum()
}
