//! What the benchmarks share: a client's keys, the shipped circuits, the layer of GPT-2's shape, and comparisons with
//! other implementations.

pub mod bytes;
pub mod compare;
pub mod gpt2;
pub mod layers;
pub mod machine;
pub mod pictures;
pub mod report;

use std::path::PathBuf;
use std::sync::Arc;

use cipherformer_circuit::Circuit;
pub use cipherformer_examples::keys::Keys;

/// A circuit of this repository's `circuits` folder.
///
/// # Panics
/// If the folder is damaged.
pub fn shipped_circuit(name: &str) -> Arc<Circuit> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../circuits");
    Arc::new(Circuit::load(&folder.join(name)).expect("shipped circuits are valid"))
}

/// A torus value spread over a LUT's input range: a different one for each index.
pub fn spread(index: usize) -> u64 {
    let hash = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((hash as i64) >> 2) as u64
}
