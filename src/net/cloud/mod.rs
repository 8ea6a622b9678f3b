//! Tokens from the metadata services of clouds, without an SDK: the virtual machine itself vouches
//! for the program on it; and by the key of a service account of Google's.
//!
//! It asks once and keeps nothing; that is `token_cache.rs`.

mod azure;
#[cfg(feature = "tls")]
mod azure_identity;
mod endpoint;
mod google;
#[cfg(feature = "tls")]
mod service_account;
#[cfg(test)]
mod tests;
