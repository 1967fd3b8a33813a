//! Arithmetic on RLWE ciphertexts under the ring key.

pub(crate) mod automorphism;
mod packing;

pub(crate) use automorphism::AutomorphismKeys;
pub use packing::pack;
