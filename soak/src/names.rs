//! Names as tokens, each with the logits that every position must get.

use std::sync::Arc;

use anyhow::Result;
use cipherformer_circuit::{Bag, Circuit, Plain};
use cipherformer_client::PublicCircuit;
use cipherformer_fhe::SecretKey;

use crate::wire;

const NAMES: [&str; 6] = [
    "maria",
    "alexander",
    "josephine",
    "li",
    "christopher",
    "noa",
];
/// Simulations that say how far noise moves logits.
const SIMULATIONS: u64 = 24;
/// Logits may be so many of the standard deviations away.
const DEVIATIONS: f64 = 9.0;

/// A name.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) tokens: Vec<usize>,
    /// After each token, of every logit: what it should be, and how far from that it may be.
    logits: Vec<Vec<(f64, f64)>>,
}

/// Names under a circuit that continues them.
#[derive(Clone)]
pub(crate) struct Names {
    pub(crate) circuit: Arc<PublicCircuit>,
    names: Arc<Vec<Name>>,
}

impl Names {
    /// Evaluates them in plain, without noise and with.
    pub(crate) fn new(circuit: &Circuit) -> Result<Self> {
        let public = wire::public(circuit)?;
        let names = NAMES.map(|name| Name::new(circuit, public.prompt(name)?));
        Ok(Self {
            circuit: Arc::new(public),
            names: Arc::new(names.into_iter().collect::<Result<_>>()?),
        })
    }

    /// One of them, any number being good.
    pub(crate) fn get(&self, number: usize) -> &Name {
        &self.names[number % self.names.len()]
    }

    /// A token of a name, encrypted: a request's body.
    pub(crate) fn encrypt(&self, name: &Name, position: usize, key: &SecretKey) -> Result<Vec<u8>> {
        let tokens = &name.tokens[position..=position];
        Ok(self.circuit.encrypt_tokens(tokens, key)?)
    }

    /// Fails if an answer is not that of the name's first `position` tokens.
    pub(crate) fn check_output(
        &self,
        name: &Name,
        position: usize,
        output: &[u8],
        key: &SecretKey,
    ) -> Result<(), String> {
        let logits = self.circuit.decrypt_logits(output, key);
        name.check(position, &logits.map_err(|error| error.to_string())?)
    }
}

impl Name {
    fn new(circuit: &Circuit, tokens: Vec<usize>) -> Result<Self> {
        let bags: Vec<Bag> = tokens.iter().copied().map(Bag::token).collect();
        let reference = Plain::reference().outputs(circuit, &bags)?;
        let simulated: Result<Vec<_>, _> = (0..SIMULATIONS)
            .map(|seed| Plain::simulate(seed).outputs(circuit, &bags))
            .collect();
        let simulated = simulated?;
        let output = &circuit.manifest().output;
        let at = |position: usize, logit: usize| {
            let wanted: f64 = reference[position][logit];
            let squares = simulated
                .iter()
                .map(|run| (run[position][logit] - wanted).powi(2));
            let deviation = (squares.sum::<f64>() / SIMULATIONS as f64).sqrt();
            let stated = output.noise / output.scale[logit];
            (
                wanted,
                DEVIATIONS * deviation.max(stated) + crate::prompts::half_step(stated),
            )
        };
        let logits = (0..tokens.len())
            .map(|position| {
                (0..output.labels.len())
                    .map(|logit| at(position, logit))
                    .collect()
            })
            .collect();
        Ok(Self { tokens, logits })
    }

    /// Fails if these are not the logits after the first `position` tokens.
    pub(crate) fn check(&self, position: usize, logits: &[f64]) -> Result<(), String> {
        let Some(expected) = position
            .checked_sub(1)
            .and_then(|last| self.logits.get(last))
        else {
            return Err(format!("position {position} of {}", self.tokens.len()));
        };
        let far = logits
            .iter()
            .zip(expected)
            .find(|(got, (wanted, allowed))| (*got - wanted).abs() > *allowed);
        match far {
            _ if logits.len() != expected.len() => Err(format!("{} logits", logits.len())),
            None => Ok(()),
            Some((got, (wanted, allowed))) => Err(format!(
                "a logit after {position} tokens is {got:.2}, not {wanted:.2} within {allowed:.2}"
            )),
        }
    }
}
