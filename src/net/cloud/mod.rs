//! Tokens of clouds, without an SDK: from the metadata services, by which the machine itself vouches
//! for the program on it, and from the clouds' own endpoints, by a secret, a key, or the token of
//! somebody whom the cloud trusts.
//!
//! It asks once and keeps nothing; that is `token_cache.rs`.

mod azure;
#[cfg(feature = "tls")]
mod azure_identity;
mod endpoint;
mod google;
#[cfg(feature = "tls")]
mod google_credentials;
#[cfg(test)]
mod tests;

/// Says what a variable of the environment holds.
#[cfg(feature = "tls")]
type Variable<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);
