//! Measured noise against the formulas, at the real parameters, operation by operation.
//!
//! Every test draws at least 1,000 samples under fresh keys and compares standard deviations; the
//! difference must stay below `common::TOLERANCE`. With `--nocapture` they print both figures. With
//! `CIPHERFORMER_FULL_NOISE=1` LUTs are measured on sixteen times as many, which takes a quarter of an hour.
//!
//! Single key switches in the ring are measured where they can be reached: `src/ring/automorphism.rs`. All tests
//! that measure have `noise` in their names.

#[path = "../common/mod.rs"]
mod common;
mod luts;
mod matrices;
mod products;
mod values;

use cipherformer_circuit::parameters::{FAST_1024, PRECISE_1024, STANDARD_2048};
use common::{Client, shared};

fn standard() -> &'static Client {
    shared(&STANDARD_2048)
}

fn fast() -> &'static Client {
    shared(&FAST_1024)
}

fn precise() -> &'static Client {
    shared(&PRECISE_1024)
}
