//! Our LUT beside shortint's.

use anyhow::{Result, ensure};
use cipherformer_circuit::parameters::FAST_1024;
use tfhe::shortint::parameters::PARAM_MESSAGE_2_CARRY_2_KS_PBS;
use tfhe::shortint::parameters::v1_8::V1_8_PARAM_MESSAGE_1_CARRY_1_KS_PBS_TUNIFORM_2M128;

use super::levels::{Batch, function};
use super::shortint::Shortint;
use super::timing::{in_turns, timed};
use super::{Comparison, Side};

/// How many LUTs a turn has, on both sides.
pub(super) const BATCH: usize = 64;

/// Which of shortint's parameter sets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Set {
    /// Its default: blocks of 4 bits.
    Message2Carry2,
    /// Blocks of 2 bits.
    Message1Carry1,
}

/// A LUT of ours with 4-bit inputs and outputs beside one of theirs, with as many bits as its set has.
pub(super) fn run(set: Set, rounds: usize) -> Result<Comparison> {
    let shortint = match set {
        Set::Message2Carry2 => Shortint::new(
            "PARAM_MESSAGE_2_CARRY_2_KS_PBS, the default",
            PARAM_MESSAGE_2_CARRY_2_KS_PBS,
        ),
        Set::Message1Carry1 => Shortint::new(
            "V1_8_PARAM_MESSAGE_1_CARRY_1_KS_PBS_TUNIFORM_2M128",
            V1_8_PARAM_MESSAGE_1_CARRY_1_KS_PBS_TUNIFORM_2M128,
        ),
    };
    let batch = Batch::new(BATCH, &FAST_1024)?;
    let times = in_turns(rounds, || batch.time(), || time(&shortint))?;
    let theirs = Side {
        what: format!(
            "apply_lookup_table on blocks of {} bits, {BATCH} one after the other",
            shortint.levels().ilog2()
        ),
        ..shortint.side()
    };
    Ok(Comparison::new("one LUT", times, batch.side(), theirs))
}

/// Looks a batch up and checks the results; milliseconds of one.
fn time(shortint: &Shortint) -> Result<f64> {
    let levels = shortint.levels();
    let inputs: Vec<u64> = (0..BATCH as u64).map(|i| i % levels).collect();
    let encrypt = |&x: &u64| shortint.client.unchecked_encrypt(x);
    let encrypted: Vec<_> = inputs.iter().map(encrypt).collect();
    let server = &shortint.server;
    let table = server.generate_lookup_table(|x| function(x) % levels);
    let (outputs, time) = timed(|| {
        let outputs = encrypted
            .iter()
            .map(|x| server.apply_lookup_table(x, &table));
        outputs.collect::<Vec<_>>()
    });
    for (input, output) in inputs.iter().zip(&outputs) {
        let expected = function(*input) % levels;
        let got = shortint.client.decrypt_message_and_carry(output);
        ensure!(
            expected == got,
            "shortint's LUT: {got} instead of {expected}"
        );
    }
    Ok(time / BATCH as f64)
}
