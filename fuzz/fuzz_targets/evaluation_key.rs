//! See `cipherformer_fuzz::evaluation_key`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cipherformer_fuzz::evaluation_key(bytes));
