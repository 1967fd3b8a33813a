//! See `cipherformer_fuzz::encrypted_scores`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cipherformer_fuzz::encrypted_scores(bytes));
