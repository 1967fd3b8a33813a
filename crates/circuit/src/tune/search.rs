//! Trying candidates, from the cheapest on.

use std::collections::BTreeMap;

use super::candidates::name;
use super::{Candidate, Goal, Rejected, TuneError, Tuning, Verdict};
use crate::circuit::{Circuit, FAILURE_LIMIT_LOG2};
use crate::error::CircuitError;
use crate::estimate::{LayerEstimate, estimate_at};
use crate::parameters::{self, Decomposition, ParameterSet, Precision, TUniform, tuned};

/// Noise may exceed what is tolerated by this much: rounded scales differ from set to set.
const SLACK: f64 = 1.02;

/// As estimates call it.
const RESPONSE: &str = "response";

/// The noise that each operation may have.
pub(super) struct Tolerance {
    /// By the names of layer and operation.
    layers: BTreeMap<(String, &'static str), f64>,
    /// Of any other.
    any: f64,
}

impl Tolerance {
    pub(super) fn of(circuit: &Circuit, goal: &Goal) -> Self {
        let now = estimate_at(circuit, &goal.speed).layers.into_iter();
        // A goal is one of LUTs. Responses have the noise they are flooded with.
        let kept = now.filter(|layer| goal.input_noise.is_none() || layer.operation == RESPONSE);
        let noise = kept.filter_map(|layer| {
            let noise = layer.input_noise?;
            Some(((layer.name, layer.operation), noise * SLACK))
        });
        Self {
            layers: noise.collect(),
            any: goal.input_noise.unwrap_or(f64::INFINITY),
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
        let luts = self
            .layers
            .iter()
            .filter(|((_, operation), _)| *operation != RESPONSE);
        luts.map(|(_, noise)| *noise).fold(self.any, f64::min)
    }
}

#[derive(Default)]
pub(super) struct Search {
    pub(super) fit: Vec<Candidate>,
    rejected: Vec<Rejected>,
    shortest_key: Option<usize>,
    /// Whether a family of sets could do, by its name.
    families: BTreeMap<String, bool>,
}

impl Search {
    pub(super) fn consider(
        &mut self,
        circuit: &Circuit,
        set: &ParameterSet,
        tolerance: &Tolerance,
        goal: &Goal,
    ) -> Result<(), CircuitError> {
        // No input has less noise than a LUT's own.
        let bits = (set.lut_input_noise() / tolerance.least()).log2();
        if bits > 0.0 {
            let reason = format!("every LUT's input is too noisy by {bits:.1} bits");
            self.reject(set, goal, "every LUT", bits, reason);
            return Ok(());
        }
        if !self.family_could_do(circuit, set, tolerance, goal)? {
            return Ok(());
        }
        let outcome = assess(circuit, named(set), tolerance, goal);
        self.judge(outcome, set, goal).map(|_| ())
    }

    /// Tries, once for all sets that differ in their small keys only, a key that has less noise than any: what will not do
    /// under it will not do under any of them.
    fn family_could_do(
        &mut self,
        circuit: &Circuit,
        set: &ParameterSet,
        tolerance: &Tolerance,
        goal: &Goal,
    ) -> Result<bool, CircuitError> {
        let ideal = ParameterSet {
            lwe_dimension: 600,
            lwe_block: 3,
            lwe_noise: TUniform { bound_log2: 32 },
            key_switch: Decomposition {
                base_log: 1,
                levels: 18,
            },
            ..*set
        };
        let family = tuned::name(&ideal);
        if let Some(&could) = self.families.get(&family) {
            return Ok(could);
        }
        // A manifest must name a set that there is.
        let name = named(set).name;
        let lowered: &'static ParameterSet = Box::leak(Box::new(ParameterSet { name, ..ideal }));
        let before = (self.fit.len(), self.shortest_key);
        let outcome = assess(circuit, lowered, tolerance, goal);
        let could = self.judge(outcome, set, goal)?;
        // It is no candidate itself.
        self.fit.truncate(before.0);
        self.shortest_key = before.1;
        self.families.insert(family, could);
        Ok(could)
    }

    /// Takes or rejects a set; whether its noise will do.
    fn judge(
        &mut self,
        outcome: Result<Candidate, CircuitError>,
        set: &ParameterSet,
        goal: &Goal,
    ) -> Result<bool, CircuitError> {
        match outcome {
            Ok(candidate) => return Ok(self.weigh(candidate, set, goal)),
            Err(CircuitError::NoRoom { layer, bits }) => {
                let reason = format!("{layer}: no room for the guard band, by {bits:.1} bits");
                self.reject(set, goal, &layer, bits, reason);
            }
            Err(CircuitError::NoiseBudget { layer, got, .. }) if got < 0.0 => {
                let reason = format!("{layer}: failures with probability 2^{got:.1}");
                // Probabilities go with the square of the guard band.
                let bits = (FAILURE_LIMIT_LOG2 / got).abs().log2() / 2.0;
                self.reject(set, goal, &layer, bits.max(0.01), reason);
            }
            Err(other) => return Err(other),
        }
        Ok(false)
    }

    fn weigh(&mut self, candidate: Candidate, set: &ParameterSet, goal: &Goal) -> bool {
        let limit = &candidate.limited_by;
        if limit.excess_bits > 0.0 {
            let (layer, bits) = (limit.layer.clone(), limit.excess_bits);
            let (noise, most) = (100.0 * limit.noise, 100.0 * limit.tolerated);
            let reason =
                format!("{layer}: noise of {noise:.3} %, at most {most:.3} % are tolerated");
            self.reject(set, goal, &layer, bits, reason);
            return false;
        }
        if candidate.key_bytes > goal.key_bytes {
            let shortest = self.shortest_key.unwrap_or(usize::MAX);
            self.shortest_key = Some(shortest.min(candidate.key_bytes));
        } else if self
            .fit
            .first()
            .is_none_or(|first| differ(first, &candidate))
        {
            self.fit.push(candidate);
        }
        true
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

    pub(super) fn finish(self, candidates: usize, goal: &Goal) -> Result<Tuning, TuneError> {
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

/// The set as it is found by name.
fn named(set: &ParameterSet) -> &'static ParameterSet {
    let name = name(set);
    parameters::by_name(&name).unwrap_or_else(|| unreachable!("{name} is sound"))
}

/// Lowers a circuit under a set, and looks at every operation's noise.
fn assess(
    circuit: &Circuit,
    set: &'static ParameterSet,
    tolerance: &Tolerance,
    goal: &Goal,
) -> Result<Candidate, CircuitError> {
    let circuit = circuit.with_set(set)?;
    let estimate = estimate_at(&circuit, &goal.speed);
    let verdicts = estimate.layers.iter();
    let verdicts = verdicts.filter_map(|layer| tolerance.verdict(layer));
    let limited_by = verdicts.max_by(|a, b| a.excess_bits.total_cmp(&b.excess_bits));
    Ok(Candidate {
        parameter_set: set.name.to_owned(),
        seconds: estimate.predicted_seconds_per_core,
        lut_seconds: set.lut_seconds(Precision::Full, &goal.speed),
        key_bytes: estimate.evaluation_key_bytes,
        worst_input_noise: estimate.worst_input_noise,
        worst_failure_log2: estimate.worst_failure_log2,
        limited_by: limited_by.expect("a response has noise"),
    })
}
