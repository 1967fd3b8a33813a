//! See `cipherformer_fuzz::manifest`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cipherformer_fuzz::manifest(bytes));
