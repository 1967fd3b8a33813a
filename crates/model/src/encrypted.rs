//! A client and a server in one process, to measure the encrypted evaluation.

use std::sync::Arc;

use cipherformer_circuit::{Bag, Circuit, State, evaluate, evaluate_next};
use cipherformer_fhe::{
    Encrypted, EncryptedBag, EvaluationKey, FheError, PreparedCircuit, Scalars, SecretKey,
    SeededEvaluationKey,
};

use crate::error::ModelError;
use crate::trace::{Notebook, Trace};

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

    /// Encrypts the inputs of one session, evaluates, decrypts: what the client gets after each of them.
    ///
    /// # Errors
    /// Features that the circuit does not have.
    pub fn outputs(&self, inputs: &[Bag]) -> Result<Vec<Vec<f64>>, ModelError> {
        let circuit = self.prepared.circuit();
        let mut state = State::new(circuit);
        let mut engine = Encrypted::new(&self.prepared, &self.evaluation)?;
        let step = |bag| {
            let request = EncryptedBag::encrypt(bag, circuit.manifest(), &self.secret)?;
            let response = evaluate_next(circuit, &mut engine, &mut state, &request, &())?;
            Ok(circuit.scores(&response.decrypt(&self.secret)?))
        };
        inputs.iter().map(step).collect()
    }
    /// Encrypts the input of a circuit of one position, evaluates, and decrypts what every operation put out, noise
    /// included.
    pub(crate) fn trace(&self, input: &Bag) -> Result<Trace, ModelError> {
        let circuit = self.prepared.circuit();
        let mut engine = Encrypted::new(&self.prepared, &self.evaluation)?;
        let notebook = Notebook::new(|values: &Scalars| self.decrypt(values));
        let request = EncryptedBag::encrypt(input, circuit.manifest(), &self.secret)?;
        let response = evaluate(circuit, &mut engine, &request, &notebook)?;
        Ok(notebook.finish(response.decrypt(&self.secret)?))
    }

    fn decrypt(&self, values: &Scalars) -> Vec<f64> {
        let torus = self.secret.decrypt_scalars(values).into_iter();
        torus.map(|x| x as i64 as f64 / 64f64.exp2()).collect()
    }
}
