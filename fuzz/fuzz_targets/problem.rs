//! See `cipherformer_fuzz::problem`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cipherformer_fuzz::problem(bytes));
