//! Consuming: from brokers to records.

mod config;
mod group;
mod position;
mod subscription;

pub use config::{AssignmentStrategy, AutoOffsetReset, ConsumerConfig, IsolationLevel};
pub use position::OffsetAndMetadata;
