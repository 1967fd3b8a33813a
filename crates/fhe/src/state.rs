//! What a server keeps of a session, as bytes on its own disk.

use cipherformer_circuit::{Circuit, ParameterSet, State};
use serde::{Deserialize, Serialize};
use tfhe_versionable::{Versionize, VersionsDispatch};

use crate::Packed;
use crate::convert;
use crate::error::FheError;
use crate::wire;

const STATE: &str = "session state";

/// A session's ring ciphertexts, every bit of them: nothing may be rounded, or a text would go on
/// differently after a restart.
#[derive(Serialize, Deserialize, Versionize)]
#[versionize(StoredStateVersions)]
struct StoredState {
    parameter_set: String,
    position: u64,
    /// For each of the circuit's caches, whether there is a ciphertext.
    kept: Vec<bool>,
    /// Mask and body of those that there are, one after the other.
    coefficients: Vec<u64>,
}

#[derive(VersionsDispatch)]
#[allow(dead_code)] // read through the derive
enum StoredStateVersions {
    V0(StoredState),
}

impl tfhe::named::Named for StoredState {
    const NAME: &'static str = "cipherformer::SessionState";
}

/// The bytes to store, checksum first.
pub fn state_to_bytes(state: &State<Packed>, parameters: &ParameterSet) -> Vec<u8> {
    let kept = state.kept();
    wire::encode(&StoredState {
        parameter_set: parameters.name.to_owned(),
        position: state.position() as u64,
        kept: kept.iter().map(Option::is_some).collect(),
        coefficients: kept
            .iter()
            .flatten()
            .flat_map(|packed| packed.as_ref())
            .copied()
            .collect(),
    })
}

/// Reads what [`state_to_bytes`] made of a session of this circuit.
///
/// # Errors
/// Too large, damaged, malformed, or not what a session of this circuit keeps.
pub fn state_from_bytes(bytes: &[u8], circuit: &Circuit) -> Result<State<Packed>, FheError> {
    let parameters = circuit.parameters();
    let stored: StoredState = wire::decode(STATE, bytes, state_limit(circuit))?;
    wire::same_set(STATE, parameters, &stored.parameter_set)?;
    let unfit = || FheError::Malformed {
        what: STATE,
        reason: format!(
            "no session of {} keeps such ciphertexts",
            circuit.manifest().name
        ),
    };
    let mut ciphertexts = stored
        .coefficients
        .chunks_exact(ciphertext_words(parameters));
    let kept = stored.kept.iter().map(|&there| match there {
        true => ciphertexts
            .next()
            .map(|words| Some(packed(words, parameters))),
        false => Some(None),
    });
    let kept: Option<Vec<Option<Packed>>> = kept.collect();
    let all_used = ciphertexts.next().is_none() && ciphertexts.remainder().is_empty();
    let position = usize::try_from(stored.position).map_err(|_| unfit())?;
    kept.filter(|_| all_used)
        .and_then(|kept| State::resume(circuit, position, kept))
        .ok_or_else(unfit)
}

/// The most bytes a session of this circuit takes.
pub fn state_limit(circuit: &Circuit) -> usize {
    let words = ciphertext_words(circuit.parameters());
    wire::size_limit(circuit.caches() * (8 * words + 1))
}

/// Mask and body.
fn ciphertext_words(parameters: &ParameterSet) -> usize {
    convert::RING_GLWE_SIZE.0 * parameters.ring_dimension
}

fn packed(words: &[u64], parameters: &ParameterSet) -> Packed {
    let size = convert::ring_size(parameters);
    Packed::from_container(words.to_vec(), size, convert::modulus())
}
