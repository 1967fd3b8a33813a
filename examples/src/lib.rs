//! Lessons to run: one file each, beside this package's manifest. This is what they share.

pub mod bitmap;
pub mod by_hand;
pub mod copies;
pub mod insecure_ring;
pub mod keys;
pub mod net;
pub mod torus;
pub mod wiretap;
