//! See `cipherformer_fuzz::ids`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cipherformer_fuzz::ids(bytes));
