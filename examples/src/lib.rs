//! Lessons to run: one file each, beside this package's manifest. This is what they share.

pub mod by_hand;
pub mod keys;
pub mod net;
