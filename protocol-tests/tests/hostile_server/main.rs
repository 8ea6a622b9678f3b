//! Quickstart's way (create a topic, produce, consume in a group) against servers that answer
//! anything but Kafka: every step ends with a clear error within its deadline, and takes no more
//! memory than a reply may.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends at its first surprise"
)]

mod flow;
mod hostile_words;
mod lying_cluster;
mod no_kafka;
