#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
// The results of `send` give the record back, as rust-rdkafka's do.
#![allow(clippy::result_large_err)]

pub mod admin;
pub mod client;
pub mod config;
pub mod consumer;
pub mod error;
mod events;
pub mod groups;
mod log;
pub mod message;
pub mod metadata;
pub mod producer;
mod runtime;
pub mod statistics;
pub mod topic_partition_list;
pub mod types;
pub mod util;

pub use crate::client::ClientContext;
pub use crate::config::ClientConfig;
pub use crate::message::{Message, Timestamp};
pub use crate::statistics::Statistics;
pub use crate::topic_partition_list::{Offset, TopicPartitionList};
// For programs that name `rdkafka_sys`, too: it is this crate under another name.
#[doc(hidden)]
pub use crate::types::*;
pub use crate::util::IntoOpaque;
