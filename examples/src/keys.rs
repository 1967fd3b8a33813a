//! Both keys at once, as a lesson wants them.

use cipherformer_circuit::ParameterSet;
use cipherformer_fhe::{EvaluationKey, SecretKey, SeededEvaluationKey};

/// A client's secret key, and its evaluation key expanded as on the server.
#[derive(Debug)]
pub struct Keys {
    /// The client's.
    pub secret: SecretKey,
    /// The server's.
    pub evaluation: EvaluationKey,
}

impl Keys {
    /// Fresh keys: about a second.
    pub fn new(parameters: &'static ParameterSet) -> Self {
        let secret = SecretKey::generate(parameters);
        let seeded = SeededEvaluationKey::generate(&secret, |_| ());
        let evaluation = EvaluationKey::expand(seeded, parameters);
        Self { secret, evaluation }
    }
}
