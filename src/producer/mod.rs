//! producer

mod config;
pub use config::{Acks, ProducerConfig};

mod accumulator;
mod ready;
mod sender;
mod sequence;

#[cfg(test)]
mod tests;
