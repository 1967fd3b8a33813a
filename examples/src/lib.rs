//! Lessons to run: one file each, beside this package's manifest.
