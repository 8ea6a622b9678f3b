//! Tokens from the metadata services of clouds, without an SDK: the virtual machine itself vouches
//! for the program on it.
//!
//! It asks once and keeps nothing; that is `token_cache.rs`.

mod azure;
mod endpoint;
mod google;
#[cfg(test)]
mod tests;
