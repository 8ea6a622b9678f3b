#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

#[cfg(feature = "apache")]
pub mod apache;
pub mod embedded;
pub mod proxy;
