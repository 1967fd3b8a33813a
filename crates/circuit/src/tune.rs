//! Choosing parameters by computation: the cheapest that a circuit's noise budget allows.
//!
//! Candidates differ in the blind rotation's ring, its decomposition, the small key (whose dimension is the smallest with
//! 128-bit security under its noise), the decompositions of key switches, and how finely the bootstrapping key
//! travels. They are tried from the cheapest on: a circuit is lowered under each, and every operation's predicted noise is
//! held against what the model tolerates there.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::circuit::{Circuit, FAILURE_LIMIT_LOG2};
use crate::cost::Speed;
use crate::error::CircuitError;
use crate::estimate::{LayerEstimate, estimate_at};
use crate::lower::LUT_HALF_RANGE;
use crate::parameters::{
    self, ALL, Decomposition, ParameterSet, Precision, STANDARD_2048, TUniform, security, tuned,
};

/// What a set of parameters has to achieve.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// Largest noise at any input, as a fraction of its range; `None`: at every operation what the circuit has now, which is
    /// what it was trained and measured with.
    pub input_noise: Option<f64>,
    /// Largest evaluation key, in bytes.
    pub key_bytes: usize,
    /// Speed of the core that candidates are timed for.
    pub speed: Speed,
}

/// Noise may exceed what is tolerated by this much: rounded scales differ from set to set.
const SLACK: f64 = 1.02;

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
        "impossible: {layer} is too noisy by {bits:.1} bits even under {parameter_set}, the best set for it; tolerate \
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
    #[error("no set that will do has an evaluation key of at most {limit} bytes; the shortest has {shortest}")]
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
pub fn tune(circuit: &Circuit, goal: &Goal, mut tried: impl FnMut(usize)) -> Result<Tuning, TuneError> {
    let tolerance = Tolerance::of(circuit, goal);
    let mut candidates: Vec<ParameterSet> = candidates().collect();
    let seconds = |set: &ParameterSet| lut_seconds(circuit, set, &goal.speed);
    candidates.sort_by(|a, b| {
        let key = |set: &ParameterSet| (set.evaluation_key_bytes(), tuned::name(set));
        seconds(a).total_cmp(&seconds(b)).then_with(|| key(a).cmp(&key(b)))
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

/// All sets there are: of the shipped sets' kinds, with 128-bit security.
pub fn candidates() -> impl Iterator<Item = ParameterSet> {
    let rings = [(4, 512), (2, 1024), (1, 2048)];
    let bootstraps = [(22, 1), (23, 1), (11, 2), (12, 2), (11, 3), (8, 3)];
    let keys = [1, 2, 3].into_iter().flat_map(|block| {
        (44..=52).filter_map(move |bound_log2| {
            let noise = TUniform { bound_log2 };
            security::minimal_dimension(noise, block).map(|n| (n, block, noise))
        })
    });
    let keys: Vec<_> = keys.collect();
    let sets = rings.into_iter().flat_map(move |(k, size)| {
        let keys = keys.clone();
        bootstraps.into_iter().flat_map(move |(base_log, levels)| {
            let keys = keys.clone();
            [44, 52].into_iter().flat_map(move |key_body_bits| {
                keys.clone().into_iter().flat_map(move |(n, block, noise)| {
                    let key_switches = [(1, 13), (1, 15), (2, 8)];
                    key_switches.into_iter().flat_map(move |key_switch| {
                        [(12, 3), (6, 7)].into_iter().map(move |ring_key_switch| ParameterSet {
                            bootstrap_glwe_dimension: k,
                            bootstrap_polynomial_size: size,
                            bootstrap: decomposition((base_log, levels)),
                            coarse_bootstrap: decomposition((base_log * (24 / base_log).min(levels), 1)),
                            lwe_dimension: n,
                            lwe_block: block,
                            lwe_noise: noise,
                            key_switch: decomposition(key_switch),
                            ring_key_switch: decomposition(ring_key_switch),
                            key_body_bits,
                            ..STANDARD_2048
                        })
                    })
                })
            })
        })
    });
    sets.filter(tuned::is_sound)
}

fn decomposition((base_log, levels): (u32, u32)) -> Decomposition {
    Decomposition { base_log, levels }
}

/// Of all LUTs of the last position, which is what candidates are sorted by.
fn lut_seconds(circuit: &Circuit, set: &ParameterSet, speed: &Speed) -> f64 {
    let nodes = circuit.nodes(circuit.positions() - 1).iter();
    let each = nodes.filter_map(|node| Some((node.luts(), node.precision()?)));
    each.map(|(luts, precision)| luts as f64 * set.lut_seconds(precision, speed))
        .sum()
}

/// A shipped name where there is one.
fn name(set: &ParameterSet) -> String {
    let shipped = ALL.iter().filter(|shipped| shipped.security_bits > 0);
    let name = tuned::name(set);
    let same = shipped.into_iter().find(|shipped| tuned::name(shipped) == name);
    same.map_or(name, |shipped| shipped.name.to_owned())
}

/// The noise that each operation may have.
struct Tolerance {
    /// By the names of layer and operation.
    layers: BTreeMap<(String, &'static str), f64>,
    /// Of any other.
    any: f64,
}

impl Tolerance {
    fn of(circuit: &Circuit, goal: &Goal) -> Self {
        if let Some(any) = goal.input_noise {
            let layers = BTreeMap::new();
            return Self { layers, any };
        }
        let now = estimate_at(circuit, &goal.speed);
        let noise = now.layers.into_iter().filter_map(|layer| {
            let noise = layer.input_noise?;
            Some(((layer.name, layer.operation), noise * SLACK))
        });
        Self {
            layers: noise.collect(),
            any: f64::INFINITY,
        }
    }

    fn verdict(&self, layer: &LayerEstimate) -> Option<Verdict> {
        let noise = layer.input_noise?;
        let known = self.layers.get(&(layer.name.clone(), layer.operation));
        let tolerated = known.copied().unwrap_or(self.any);
        Some(Verdict {
            layer: layer.name.clone(),
            noise,
            tolerated,
            excess_bits: (noise / tolerated).log2(),
        })
    }

    /// The least that any LUT's input may have.
    fn least(&self) -> f64 {
        let luts = self.layers.iter().filter(|((_, operation), _)| *operation != "response");
        luts.map(|(_, noise)| *noise).fold(self.any, f64::min)
    }
}

#[derive(Default)]
struct Search {
    fit: Vec<Candidate>,
    rejected: Vec<Rejected>,
    shortest_key: Option<usize>,
}

impl Search {
    fn consider(
        &mut self,
        circuit: &Circuit,
        set: &ParameterSet,
        tolerance: &Tolerance,
        goal: &Goal,
    ) -> Result<(), CircuitError> {
        // No input has less noise than a LUT's own.
        let least = set.lut_input_variance().sqrt() / (2.0 * LUT_HALF_RANGE);
        let bits = (least / tolerance.least()).log2();
        if bits > 0.0 {
            let reason = format!("every LUT's input is too noisy by {bits:.1} bits");
            self.reject(set, goal, "every LUT", bits, reason);
            return Ok(());
        }
        match assess(circuit, set, tolerance, goal) {
            Ok(candidate) => self.weigh(candidate, set, goal),
            Err(CircuitError::NoRoom { layer, bits }) => {
                let reason = format!("{layer}: no room for the guard band, by {bits:.1} bits");
                self.reject(set, goal, &layer, bits, reason);
            }
            Err(CircuitError::NoiseBudget { layer, got, .. }) => {
                let reason = format!("{layer}: failures with probability 2^{got:.1}");
                // Probabilities go with the square of the guard band.
                let bits = (FAILURE_LIMIT_LOG2 / got).abs().log2() / 2.0;
                self.reject(set, goal, &layer, bits.max(0.01), reason);
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }

    fn weigh(&mut self, candidate: Candidate, set: &ParameterSet, goal: &Goal) {
        let limit = &candidate.limited_by;
        if limit.excess_bits > 0.0 {
            let (layer, bits) = (limit.layer.clone(), limit.excess_bits);
            let (noise, most) = (100.0 * limit.noise, 100.0 * limit.tolerated);
            let reason = format!("{layer}: noise of {noise:.3} %, at most {most:.3} % are tolerated");
            self.reject(set, goal, &layer, bits, reason);
        } else if candidate.key_bytes > goal.key_bytes {
            let shortest = self.shortest_key.unwrap_or(usize::MAX);
            self.shortest_key = Some(shortest.min(candidate.key_bytes));
        } else if self.fit.first().is_none_or(|first| differ(first, &candidate)) {
            self.fit.push(candidate);
        }
    }

    /// Remembers for each operation the set that comes closest.
    fn reject(&mut self, set: &ParameterSet, goal: &Goal, layer: &str, bits: f64, reason: String) {
        let rejected = Rejected {
            parameter_set: name(set),
            layer: layer.to_owned(),
            bits,
            lut_seconds: set.lut_seconds(Precision::Full, &goal.speed),
            reason,
        };
        match self.rejected.iter_mut().find(|other| other.layer == layer) {
            Some(other) if other.bits <= bits => {}
            Some(other) => *other = rejected,
            None => self.rejected.push(rejected),
        }
    }

    fn finish(self, candidates: usize, goal: &Goal) -> Result<Tuning, TuneError> {
        let mut fit = self.fit.into_iter();
        if let Some(chosen) = fit.next() {
            return Ok(Tuning {
                chosen,
                runner_up: fit.next(),
                rejected: self.rejected,
                candidates,
            });
        }
        if let Some(shortest) = self.shortest_key {
            let limit = goal.key_bytes;
            return Err(TuneError::KeySize { limit, shortest });
        }
        let rejected = self.rejected.into_iter();
        let closest = rejected.min_by(|a, b| a.bits.total_cmp(&b.bits));
        let closest = closest.expect("there are candidates");
        Err(TuneError::Impossible {
            layer: closest.layer,
            bits: closest.bits,
            parameter_set: closest.parameter_set,
        })
    }
}

/// Whether two sets differ in more than how a key travels or is switched.
fn differ(a: &Candidate, b: &Candidate) -> bool {
    (a.lut_seconds / b.lut_seconds - 1.0).abs() > 0.02
}

/// Lowers a circuit under a set, and looks at every operation's noise.
fn assess(
    circuit: &Circuit,
    set: &ParameterSet,
    tolerance: &Tolerance,
    goal: &Goal,
) -> Result<Candidate, CircuitError> {
    let name = name(set);
    let set = parameters::by_name(&name).unwrap_or_else(|| unreachable!("{name} is sound"));
    let circuit = circuit.with_parameters(set.name)?;
    let estimate = estimate_at(&circuit, &goal.speed);
    let verdicts = estimate.layers.iter();
    let verdicts = verdicts.filter_map(|layer| tolerance.verdict(layer));
    let limited_by = verdicts.max_by(|a, b| a.excess_bits.total_cmp(&b.excess_bits));
    Ok(Candidate {
        parameter_set: name,
        seconds: estimate.predicted_seconds_per_core,
        lut_seconds: set.lut_seconds(Precision::Full, &goal.speed),
        key_bytes: estimate.evaluation_key_bytes,
        worst_input_noise: estimate.worst_input_noise,
        worst_failure_log2: estimate.worst_failure_log2,
        limited_by: limited_by.expect("a response has noise"),
    })
}
