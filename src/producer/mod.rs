//! producer

mod accumulator;
mod config;
mod partitioner;
mod ready;
mod sender;
mod sequence;

pub use config::{Acks, ProducerConfig};
pub use partitioner::{Partitioner, TopicPartitions};

#[cfg(test)]
mod tests;
