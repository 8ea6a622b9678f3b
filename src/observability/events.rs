//! What is counted, in the words in which it is told to all who count: a handle's own statistics,
//! the metrics of the facade, and those of client telemetry (KIP-714).
//!
//! A part has one observer, to which it tells each event once, and which tells all of them. Each
//! has a `note` that names every event, also those that it makes nothing of: what is new here
//! compiles once all have said what they make of it.

use std::time::Duration;

use crate::error::Error;
use crate::hooks::BatchSize;
use crate::ids::{BrokerId, Offset, TopicName, TopicPartition};

/// What happens to a producer's batches and requests.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code, reason = "the facade reads most of it"))]
pub(crate) enum ProducerEvent<'a> {
    /// A batch takes no more records; its size is before compression.
    BatchClosed { records: u32, bytes: usize },
    /// A batch goes out for the first time.
    BatchSent {
        topic: &'a TopicName,
        records: u32,
        bytes: usize,
        uncompressed: usize,
        /// Since its first record.
        queued: Duration,
    },
    /// A batch goes out once more.
    BatchRetried { topic: &'a TopicName, records: u32 },
    /// The batches that were told of go out in one request.
    RequestSent {
        /// The free bytes of `buffer.memory`.
        available: &'a dyn Fn() -> usize,
    },
    /// A broker has answered a request.
    RequestAnswered { broker: BrokerId, took: Duration, throttle: Duration },
    /// A batch was too large for a broker, and goes on in parts.
    BatchSplit,
    /// A batch has its verdict.
    BatchResolved {
        /// The free bytes of `buffer.memory`.
        available: &'a dyn Fn() -> usize,
        partition: Option<&'a TopicPartition>,
        records: u32,
        /// If it was sealed.
        size: Option<BatchSize>,
        /// The offset of the first record, if the broker has said it.
        result: Result<Option<Offset>, &'a Error>,
        /// By their place in the batch.
        record_errors: &'a [(u32, Error)],
    },
    /// The records of a batch have failed.
    BatchFailed { topic: Option<&'a TopicName>, records: u32 },
    /// A transaction takes records.
    TransactionBegun,
    /// A transaction has ended, so long after its begin.
    TransactionEnded { is_committed: bool, took: Duration },
    /// A coordinator is asked once more for what it has not done.
    TransactionRetried,
    /// How long open batches wait, with adaptive batching.
    LingerChosen { linger: Duration, waits_for_replies: bool },
}

/// What happens to what a consumer fetches.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code, reason = "the facade reads most of it"))]
pub(crate) enum ConsumerEvent<'a> {
    /// A broker has answered a fetch with so many bytes of records.
    Fetched { broker: BrokerId, took: Duration, bytes: &'a dyn Fn() -> usize },
    /// The application was handed records, all of one batch or those that it wanted of it.
    Delivered { partition: &'a TopicPartition, records: usize, bytes: usize },
    /// So many records of a partition have not been handed over, if that is known.
    Lagging { partition: &'a TopicPartition, lag: Option<u64> },
    /// A partition is this consumer's no more.
    Left { partition: &'a TopicPartition },
    /// The group has given or taken partitions, and the application is told of it.
    Rebalancing { group: &'a str, change: AssignmentChange, partitions: &'a [TopicPartition] },
}

/// What becomes of partitions in a rebalance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AssignmentChange {
    Assigned,
    Revoked,
    Lost,
}

/// What happens to a member of a group.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code, reason = "the facade reads most of it"))]
pub(crate) enum MemberEvent<'a> {
    /// A rebalance is over, which began with the wish to join.
    Rebalanced { took: Duration },
    /// The member has so many partitions.
    Assigned { partitions: &'a dyn Fn() -> usize },
    /// The coordinator has answered a commit, or did not.
    Committed { took: Duration, has_failed: bool },
}

/// What happens to connections.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code, reason = "the facade reads most of it"))]
pub(crate) enum ConnectionEvent<'a> {
    /// One is to be opened.
    Attempted,
    /// One takes requests.
    Opened { took: Duration },
    /// One could not be opened.
    Failed { took: Duration, error: &'a Error },
    /// One that took requests has ended; without a reason if this client has hung up.
    Closed { reason: Option<&'a Error> },
    /// A request is about to be written.
    Sent { api: &'static str, bytes: usize },
    /// A reply has come, so long after its request.
    Received { api: &'static str, bytes: usize, took: Duration },
}
