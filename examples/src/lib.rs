//! Lessons to run: one file each, beside this package's manifest. This is what they share.

pub mod bitmap;
pub mod insecure_ring;
pub mod keys;
pub mod torus;
pub mod wiretap;
