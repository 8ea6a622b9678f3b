//! consumer

mod config;
pub use config::{AssignmentStrategy, AutoOffsetReset, ConsumerConfig, IsolationLevel};
