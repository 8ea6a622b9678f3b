//! What only real Kafka can tell: other clients on the other side, several versions, and brokers
//! that are killed.
//!
//! Needs Java, Maven and kcat, so it is compiled by the feature `real-kafka` only; `.ci/run` turns
//! that on, and `.ci/soak` runs the full sizes by `KAVKA_TEST_SIZE=full`.
//! `KAVKA_TEST_CLUSTER=apache:VERSION` picks the version. Run with `--test-threads=1`: each test
//! has a cluster of its own.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod admin;
mod churn;
mod codecs;
mod faults;
mod groups;
mod mq;
mod pauses;
mod programs;
mod security;
mod share_programs;
mod shares;
mod support;
mod system;
mod transactions;
mod versions;
