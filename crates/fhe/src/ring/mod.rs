//! Arithmetic on RLWE ciphertexts under the ring key.

pub(crate) mod automorphism;
mod packing;

pub(crate) use automorphism::AutomorphismKeys;
pub use packing::pack;

// Filled in by the next commits.
use crate::{EvaluationKey, FheError, Packed, Scalars};
pub(crate) fn pack_at(_: &Scalars, _: &[usize], _: &EvaluationKey) -> Result<Packed, FheError> {
    unimplemented!()
}
pub(crate) fn multiply(_: &Packed, _: &Packed, _: u64, _: &EvaluationKey) -> Packed {
    unimplemented!()
}
pub(crate) fn extract(_: &Packed, _: &[usize]) -> Result<Scalars, FheError> {
    unimplemented!()
}
pub(crate) fn shift(_: &Packed, _: usize) -> Packed {
    unimplemented!()
}
pub(crate) fn add(_: &Packed, _: &Packed) -> Packed {
    unimplemented!()
}
