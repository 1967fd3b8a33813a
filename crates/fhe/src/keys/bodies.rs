//! Seeded ciphertexts as they travel in a key: one seed for all masks, and the bodies, rounded.

use serde::{Deserialize, Serialize};
use tfhe::core_crypto::commons::math::random::CompressionSeed;
use tfhe_versionable::{Versionize, VersionsDispatch};

use crate::bits::{pack_bits, packed_words, unpack_bits};
use crate::wire;

/// Of every body coefficient the upper bits. What that rounds off is noise like the key's own; rounding what is public
/// anyway takes nothing from security.
#[derive(Serialize, Deserialize, Versionize)]
#[versionize(SeededBodiesVersions)]
pub(crate) struct SeededBodies {
    pub(super) seed: CompressionSeed,
    pub(super) bodies: Vec<u64>,
}

#[derive(VersionsDispatch)]
#[allow(dead_code, unreachable_pub)] // read through the derive
pub(crate) enum SeededBodiesVersions {
    V0(SeededBodies),
}

impl SeededBodies {
    /// Rounds torus elements to so many bits.
    pub(crate) fn new(seed: CompressionSeed, bodies: &[u64], bits: u32) -> Self {
        let bodies = pack_bits(bodies, bits);
        Self { seed, bodies }
    }

    /// Whether one from outside has the seed and the length that [`Self::new`] gives it for so many elements.
    pub(crate) fn fits(&self, count: usize, bits: u32) -> bool {
        wire::from_the_beginning(&self.seed) && self.bodies.len() == packed_words(count, bits)
    }

    /// The seed and the elements. Their number was checked when they were read.
    pub(crate) fn expand(self, count: usize, bits: u32) -> (CompressionSeed, Vec<u64>) {
        (self.seed, unpack_bits(&self.bodies, count, bits))
    }
}
