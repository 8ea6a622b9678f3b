//! producer

mod config;
pub use config::{Acks, ProducerConfig};
