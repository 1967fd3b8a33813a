//! See `cipherformer_fuzz::session_state`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cipherformer_fuzz::session_state(bytes));
