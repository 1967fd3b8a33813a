//! A client and a server in one process, to measure the encrypted evaluation.

use std::sync::Arc;

use cipherformer_circuit::{Bag, Circuit, State, evaluate, evaluate_next};
use cipherformer_fhe::{
    Encrypted, EncryptedBag, EvaluationKey, FheError, PreparedCircuit, SecretKey,
    SeededEvaluationKey,
};

use crate::error::ModelError;

/// Keys made for the occasion, and a circuit ready to be evaluated with them. Nothing is stored.
#[derive(Debug)]
pub struct EncryptedPair {
    secret: SecretKey,
    evaluation: EvaluationKey,
    prepared: PreparedCircuit,
}

impl EncryptedPair {
    /// Makes keys for a circuit, which takes seconds; `step` gets the name of each step.
    ///
    /// # Errors
    /// A circuit whose ring products would not be exact.
    pub fn new(circuit: Circuit, step: impl FnMut(&'static str)) -> Result<Self, FheError> {
        let parameters = circuit.parameters();
        let secret = SecretKey::generate(parameters);
        let seeded = SeededEvaluationKey::generate(&secret, step);
        Ok(Self {
            evaluation: EvaluationKey::expand(seeded, parameters),
            prepared: PreparedCircuit::new(Arc::new(circuit))?,
            secret,
        })
    }

    /// Encrypts a text, evaluates, decrypts: one score a label.
    ///
    /// # Errors
    /// None for a text, whatever it is.
    pub fn scores(&self, text: &str) -> Result<Vec<f64>, ModelError> {
        let circuit = self.prepared.circuit();
        let bag = circuit.vocabulary().bag(text);
        let request = EncryptedBag::encrypt(&bag, circuit.manifest(), &self.secret)?;
        let mut engine = Encrypted::new(&self.prepared, &self.evaluation)?;
        let response = evaluate(circuit, &mut engine, &request, &())?;
        Ok(circuit.scores(&response.decrypt(&self.secret)?))
    }

    /// Encrypts tokens, evaluates them as one session, decrypts: the logits after every token.
    ///
    /// # Errors
    /// A token that the vocabulary does not have.
    pub fn logits(&self, tokens: &[usize]) -> Result<Vec<Vec<f64>>, ModelError> {
        let circuit = self.prepared.circuit();
        let mut state = State::new(circuit);
        let mut engine = Encrypted::new(&self.prepared, &self.evaluation)?;
        let step = |&token: &usize| {
            let bag = Bag::new(vec![token], 1);
            let request = EncryptedBag::encrypt(&bag, circuit.manifest(), &self.secret)?;
            let response = evaluate_next(circuit, &mut engine, &mut state, &request, &())?;
            Ok(circuit.scores(&response.decrypt(&self.secret)?))
        };
        tokens.iter().map(step).collect()
    }
}
