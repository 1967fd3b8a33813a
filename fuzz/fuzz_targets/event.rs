//! See `cipherformer_fuzz::event`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cipherformer_fuzz::event(bytes));
