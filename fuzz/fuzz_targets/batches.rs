//! Batches of records in every format and codec.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: Vec<u8>| kavka::fuzz::batches(bytes));
