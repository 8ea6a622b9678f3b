#![doc = include_str!("../README.md")]

#[cfg(feature = "apache")]
pub mod apache;
pub mod embedded;
pub mod proxy;
