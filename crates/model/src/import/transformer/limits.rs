//! Sizes and numbers of a specification that no circuit has.

use std::path::Path;

use cipherformer_circuit::{MAX_BLOCKS, MAX_CONTEXT, ParameterSet};

use crate::import::error::ImportError;
use crate::import::spec::{Activation, BlockLayer, refuse};

/// The largest soft cap; exponentials of larger scores span more than a LUT tells apart.
const LARGEST_CAP: f64 = 20.0;

/// Tables of the first block may have so many values on the way: half a gigabyte.
const LARGEST_TABLE: usize = 1 << 27;

/// What a circuit has room for, under its parameters.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    /// Of the specification.
    path: &'a Path,
    /// How many values a ciphertext holds.
    ring: usize,
}

impl<'a> Limits<'a> {
    pub(super) fn new(path: &'a Path, set: &ParameterSet) -> Self {
        let ring = set.ring_dimension;
        Self { path, ring }
    }

    /// The embedding, and how many blocks there are.
    pub(super) fn model(
        self,
        context: usize,
        width: usize,
        blocks: usize,
    ) -> Result<(), ImportError> {
        let layer = "layer 1, embedding";
        if context > MAX_CONTEXT {
            let reason = format!("{context} positions are not supported; up to {MAX_CONTEXT} are");
            return self.refuse(layer, reason);
        }
        self.vector(layer, "values a token", width)?;
        // The first is a table, and not counted.
        let most = MAX_BLOCKS + 1;
        if blocks > most {
            let reason = format!("{blocks} blocks are not supported; up to {most} are");
            return self.refuse(&format!("layer {}, block", most + 2), reason);
        }
        Ok(())
    }

    /// The numbers of a block, the first of which has so many heads.
    pub(super) fn block(
        self,
        layer: &str,
        index: usize,
        block: &BlockLayer,
        first_heads: usize,
    ) -> Result<(), ImportError> {
        let (heads, cap) = (block.attention.heads, block.attention.cap);
        if heads != first_heads {
            let reason = format!(
                "{heads} heads are not supported after a first block of {first_heads}: all blocks have as many"
            );
            return self.refuse(layer, reason);
        }
        if index > 0 && block.mlp.activation != Activation::Gelu {
            let got = block.mlp.activation;
            let reason = format!(
                "the activation {got:?} is supported in the first block only, which is a table; later blocks have gelu"
            );
            return self.refuse(layer, reason);
        }
        if let Some(cap) = cap
            && !(cap > 0.0 && cap <= LARGEST_CAP)
        {
            let reason =
                format!("a cap of {cap} is not supported; more than 0 up to {LARGEST_CAP} are");
            return self.refuse(layer, reason);
        }
        let epsilon = block.norm.epsilon;
        if !(0.0..=1.0).contains(&epsilon) {
            let reason = format!("an epsilon of {epsilon} is not supported; 0 to 1 are");
            return self.refuse(layer, reason);
        }
        let integers = block.attention.integers.unwrap_or([1; 3]);
        if !integers.iter().all(|limit| (1..=127).contains(limit)) {
            let reason = format!("integers of {integers:?} are not supported; 1 to 127 are");
            return self.refuse(layer, reason);
        }
        Ok(())
    }

    /// Heads that share queries of so many values, all positions of which fit one ciphertext.
    pub(super) fn heads(
        self,
        layer: &str,
        inner: usize,
        heads: usize,
        context: usize,
    ) -> Result<(), ImportError> {
        self.vector(layer, "values of all heads", inner)?;
        if heads == 0 || !inner.is_multiple_of(heads) || !(inner / heads).is_power_of_two() {
            let reason = format!(
                "{heads} heads do not share queries of {inner} values so that each has a power of two; such heads are not \
                 supported"
            );
            return self.refuse(layer, reason);
        }
        let (head, positions, ring) = (inner / heads, context.next_power_of_two(), self.ring);
        if head * positions > ring {
            let reason = format!(
                "heads {head} wide at {context} positions do not fit a ciphertext of {ring} values: at most {} positions are \
                 supported with such heads",
                ring / head
            );
            return self.refuse(layer, reason);
        }
        Ok(())
    }

    /// The first block is computed for so many tokens and positions.
    pub(super) fn table(self, layer: &str, rows: usize, values: usize) -> Result<(), ImportError> {
        let size = rows.saturating_mul(values);
        if size <= LARGEST_TABLE {
            return Ok(());
        }
        let reason = format!(
            "{rows} tokens and positions with {values} values each are {size}; a table of at most {LARGEST_TABLE} is supported"
        );
        self.refuse(layer, reason)
    }

    /// Values that a circuit has as one vector.
    pub(super) fn vector(self, layer: &str, what: &str, size: usize) -> Result<(), ImportError> {
        let ring = self.ring;
        if size <= ring {
            return Ok(());
        }
        let reason = format!("{size} {what} are not supported; up to {ring} are");
        self.refuse(layer, reason)
    }

    fn refuse(self, layer: &str, reason: String) -> Result<(), ImportError> {
        Err(refuse(self.path, format!("{layer}: {reason}")))
    }
}
