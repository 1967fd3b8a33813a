//! See `cipherformer_fuzz::encrypted_bag`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cipherformer_fuzz::encrypted_bag(bytes));
