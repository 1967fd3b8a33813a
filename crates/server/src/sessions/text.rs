//! What a session remembers of an encrypted text, in memory and as a row.

use std::sync::Arc;

use cipherformer_circuit::State;
use cipherformer_fhe::{Packed, PreparedCircuit, state_from_bytes, state_to_bytes};
use cipherformer_protocol::{EvaluationResult, SessionId};

use crate::owner::Registration;
use crate::store::{SessionRow, Time};

/// What a session remembers of an encrypted text.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) circuit: Arc<PreparedCircuit>,
    /// After all tokens of all requests that were answered.
    pub(crate) state: State<Packed>,
    /// The answer to the last request, for clients that did not get it.
    pub(crate) last: Option<EvaluationResult>,
}

impl Text {
    /// One that has seen no token yet.
    pub(super) fn new(circuit: &Arc<PreparedCircuit>) -> Self {
        Self {
            circuit: Arc::clone(circuit),
            state: State::new(circuit.circuit()),
            last: None,
        }
    }

    /// The row to store.
    pub(super) fn to_row(&self, id: SessionId, key: Registration, last_used: Time) -> SessionRow {
        let circuit = self.circuit.circuit();
        let manifest = circuit.manifest();
        let json = |result| serde_json::to_vec(result).expect("plain data");
        SessionRow {
            id,
            key,
            circuit: manifest.name.clone(),
            digest: manifest.digest.clone(),
            position: self.state.position() as u64,
            last_used,
            last: self.last.as_ref().map(json),
            state: state_to_bytes(&self.state, circuit.parameters()),
        }
    }

    /// Reads a row of a session of this circuit; `None` if it makes no sense.
    pub(super) fn from_row(row: &SessionRow, circuit: &Arc<PreparedCircuit>) -> Option<Self> {
        let state = state_from_bytes(&row.state, circuit.circuit()).ok()?;
        let last = row.last.as_deref().map(serde_json::from_slice).transpose();
        let text = Self {
            circuit: Arc::clone(circuit),
            state,
            last: last.ok()?,
        };
        (text.state.position() as u64 == row.position).then_some(text)
    }
}
