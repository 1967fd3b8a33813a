//! How Cipherformer computes on ciphertexts. The only crate that names `tfhe`.
//!
//! Data lives under the *ring key*: as RLWE ciphertexts that pack many values, or as LWE ciphertexts
//! of one value each under the ring key's coefficients. Linear algebra happens there, without any
//! bootstrap. Only a LUT goes through the small LWE key and a blind rotation.
//!
//! - [`SecretKey`] and [`SeededEvaluationKey`]: made by the client; the seeded key is what it sends.
//! - [`EvaluationKey`]: the seeded key expanded, as the server uses it.
//! - [`PreparedCircuit`] and [`Encrypted`]: the encrypted engine for a circuit's interpreter.
//! - [`EncryptedBag`] and [`EncryptedScores`]: what crosses the wire.
//! - [`state_to_bytes`] and [`state_from_bytes`]: what a server keeps of a session, on disk.

mod bits;
mod bootstrap;
mod convert;
mod encrypted;
mod error;
mod fft;
mod gadget;
mod interleave;
mod key_switch;
mod keys;
mod linear;
mod lookup;
mod lut;
mod message;
mod ring;
mod rotation;
mod scaled;
mod simd;
mod state;
mod wire;

pub use encrypted::{Counters, Encrypted, PreparedCircuit};
pub use error::FheError;
pub use keys::{
    Component, EvaluationKey, SECRET_KEY_NAME, SecretKey, SeededEvaluationKey, is_secret_key,
};
pub use linear::{add_constants, concat, linear, scale, split};
pub use lookup::PreparedTable;
pub use lut::PreparedLut;
pub use message::{EncryptedBag, EncryptedScores};
pub use ring::{
    Ggsw, PreparedMatrix, SeededGgsw, add, extract, multiply, pack, pack_at, rerandomize, shift,
};
pub use scaled::scaled_lut;
pub use state::{state_from_bytes, state_limit, state_to_bytes};
pub use wire::{content_id, size_limit, type_name};

/// LWE ciphertexts under the ring key's coefficients, dimension N: one value each.
pub type Scalars = tfhe::core_crypto::prelude::LweCiphertextListOwned<u64>;

/// An RLWE ciphertext under the ring key: up to N values, one a coefficient.
pub type Packed = tfhe::core_crypto::prelude::GlweCiphertextOwned<u64>;
