//! See `cipherformer_fuzz::vocabulary`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cipherformer_fuzz::vocabulary(bytes));
