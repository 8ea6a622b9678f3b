//! What the caller's thread runs: a record is copied into the open batch of its partition, and the
//! sender task is told of batches.
//!
//! ```text
//!  send ─▶ append ─▶ topics (which partition) ─▶ partition (its open batch; memory, buffer_pool, compression_ratio) ─▶ events ─▶ sender task
//! ```
//!
//! Locks are taken in the order topics (read), the partition's open batch, events;
//! `docs/dev/locks.md` tells why.

pub(super) mod append;
pub(super) mod buffer_pool;
pub(super) mod closed_batch;
pub(super) mod compression_ratio;
pub(super) mod events;
pub(super) mod memory;
pub(super) mod partition;
pub(super) mod topics;
