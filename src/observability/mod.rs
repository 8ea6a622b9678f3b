//! What an operator sees of a client: metrics for the facade `metrics` (feature `metrics`), and
//! spans of `tracing`.
//!
//! All names are here, and in the tables of `docs/observability.md`, which tests hold to. The
//! layers say what happened, once a batch or a request and never once a record. Without the feature
//! `metrics` the types are empty and what is said costs nothing. Not here: logs, which are where
//! things happen, and what `mq` knows of handlers (`mq/publish.rs`).

#[cfg(test)]
pub(crate) mod captured_logs;
mod events;
mod hooked;
#[cfg(all(test, feature = "metrics"))]
pub(crate) mod noted;
#[cfg_attr(not(feature = "metrics"), path = "noop.rs")]
mod recorder;
pub(crate) mod spans;

pub(crate) use events::{
    AssignmentChange, ConnectionEvent, ConsumerEvent, MemberEvent, ProducerEvent,
};
pub(crate) use recorder::{
    ClientRecorder, ConnectionRecorder, ConsumerRecorder, GroupRecorder, ProducerRecorder,
};
