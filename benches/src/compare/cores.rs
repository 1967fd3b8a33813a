//! Our LUTs on two cores beside the same on one.

use anyhow::Result;
use cipherformer_circuit::parameters::FAST_1024;

use super::levels::Batch;
use super::lut::BATCH;
use super::timing::{in_turns, on_cores};
use super::{Comparison, Side};

/// "Ours" is two cores, "theirs" is one: the ratio is what the second core gives.
pub(super) fn run(rounds: usize) -> Result<Comparison> {
    let batch = Batch::new(BATCH, &FAST_1024)?;
    let times = in_turns(
        rounds,
        || on_cores(2, || batch.time()),
        || on_cores(1, || batch.time()),
    )?;
    let on = |cores: &str| {
        let side = batch.side();
        Side {
            what: format!("{}, on {cores}", side.what),
            ..side
        }
    };
    Ok(Comparison::new(
        "one LUT",
        times,
        on("two cores"),
        on("one core"),
    ))
}
