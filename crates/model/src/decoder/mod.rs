//! A decoder-only transformer in floating point, and what encrypted evaluation makes of it: the one path from trained weights,
//! ours or anybody's, to the [`Transformer`](cipherformer_circuit::Transformer) that lowering takes.
//!
//! [`Parameters`] are the weights, [`Flow`] says how values pass through them (real, rounded, with noise), [`measure`] gives the
//! loss over texts and the [`Ranges`] that were seen, and [`export`] puts weights and ranges together.

mod batch;
mod export;
mod flow;
mod measure;
mod model;
mod numerics;
mod ranges;

pub(crate) use batch::{Batch, END};
pub(crate) use export::export;
pub(crate) use flow::{Flow, Record};
pub(crate) use measure::{Numbers, Outcome, agreement, measure, measure_closely};
pub(crate) use model::{BlockParameters, Parameters};
pub(crate) use numerics::{Form, Numerics};
pub(crate) use ranges::{Ranges, Site};
