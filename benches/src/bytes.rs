//! Bytes of everything, for a parameter set or a circuit.

use cipherformer_circuit::{Circuit, ParameterSet};
use cipherformer_fhe::{Counters, EncryptedBag, EncryptedScores, EvaluationKey};

/// Says how large the keys of a parameter set are.
pub fn print_keys(parameters: &ParameterSet) {
    println!(
        "{}: evaluation key {} bytes to send, {} bytes of memory",
        parameters.name,
        parameters.evaluation_key_bytes(),
        EvaluationKey::memory_bytes(parameters)
    );
}

/// Says what a circuit costs at its last position: bytes, LUTs, ring products. Framing, less than a kilobyte a message,
/// comes on top.
pub fn print_circuit(circuit: &Circuit) {
    let (manifest, parameters) = (circuit.manifest(), circuit.parameters());
    let last = circuit.positions() - 1;
    print_keys(parameters);
    println!(
        "{}: request {} bytes, response {} bytes, {} LUTs, {} ring products",
        manifest.name,
        parameters.request_bytes(manifest.input.entries),
        parameters.response_bytes(manifest.output.labels.len()),
        circuit.luts(last),
        circuit.ring_products(last)
    );
}

/// Says what an evaluation did, and how large its messages were, framing included.
pub fn print_evaluation(request: &EncryptedBag, response: &EncryptedScores, counters: Counters) {
    println!(
        "evaluated: request {} bytes, response {} bytes, {} LUTs, {} ring products",
        request.to_bytes().len(),
        response.to_bytes().len(),
        counters.luts,
        counters.ring_products
    );
}
