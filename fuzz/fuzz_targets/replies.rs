//! Replies of brokers, of an API and in a version that the first two bytes say.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kavka::fuzz::reply(bytes));
