//! What the shipped circuits cost, to the last LUT and ring product: a change of either is a change of their speed.

use std::path::PathBuf;

use cipherformer_circuit::{Circuit, estimate};

fn shipped(name: &str) -> Circuit {
    let circuits = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../circuits");
    Circuit::load(&circuits.join(name)).expect("shipped circuits are valid")
}

#[test]
fn prompt_guard() {
    let circuit = shipped("prompt-guard");
    assert_eq!(circuit.positions(), 1);
    assert_eq!((circuit.luts(0), circuit.ring_products(0)), (16, 128));
}

/// Each earlier position adds a score and an exponential a head and block: 8 LUTs.
#[test]
fn names_gpt() {
    let circuit = shipped("names-gpt");
    let luts: Vec<usize> = (0..circuit.positions()).map(|p| circuit.luts(p)).collect();
    let expected: Vec<usize> = (0..16).map(|position| 289 + 8 * position).collect();
    assert_eq!(luts, expected);
    let products: Vec<usize> = (0..16).map(|p| circuit.ring_products(p)).collect();
    assert_eq!(products, vec![180; 16]);
}

/// Predicted times cover every operation, so none can be free.
#[test]
fn no_operation_is_predicted_to_be_free() {
    for name in ["prompt-guard", "names-gpt"] {
        for layer in estimate(&shipped(name)).layers {
            let free = layer.operation == "append"; // additions of 4,096 numbers
            assert_eq!(layer.seconds == 0.0, free, "{name}: {}", layer.name);
        }
    }
}
