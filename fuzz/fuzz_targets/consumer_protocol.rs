//! What members of a group say of themselves.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kavka::fuzz::consumer_protocol(bytes));
