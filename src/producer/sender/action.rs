//! What the machine is told, and what it has done.

use std::time::Duration;

use super::adaptive_linger::AdaptiveBatching;
use super::batch_queue::BatchId;
use super::departure::Departure;
use super::ready::PartitionIndex;
use super::sequence::{AttemptEnd, EpochOwner, SequenceStamp};
use crate::cluster::Backoff;
use crate::error::{Error, ErrorKind, Written};
use crate::ids::{BrokerId, LeaderEpoch, Offset, Timestamp};

/// The settings that the machine obeys; named after Kafka's properties.
#[derive(Clone, Debug)]
pub(in crate::producer) struct SenderSettings {
    /// Whose the epoch of the producer id is; `None` without idempotence.
    pub(in crate::producer) epochs: Option<EpochOwner>,
    pub(in crate::producer) linger: Duration,
    /// Decides in place of `linger`.
    pub(in crate::producer) adaptive: Option<AdaptiveBatching>,
    pub(in crate::producer) delivery_timeout: Duration,
    pub(in crate::producer) retries: u32,
    pub(in crate::producer) broker_error_retries: u32,
    /// The pause before whatever is tried again.
    pub(in crate::producer) backoff: Backoff,
    pub(in crate::producer) max_in_flight: usize,
    pub(in crate::producer) max_request_size: usize,
}

/// Numbers the requests of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::producer) struct RequestId(pub(in crate::producer) u64);

/// Who leads a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) struct Leader {
    pub(in crate::producer) broker: BrokerId,
    pub(in crate::producer) epoch: Option<LeaderEpoch>,
}

/// What the machine wants done.
#[derive(Debug)]
pub(in crate::producer) enum Action {
    /// Take the open batch from its partition and seal it; answer with `handle_sealed`.
    Close { partition: PartitionIndex, batch: BatchId },
    /// Send these batches in one request, and note when it leaves; answer with `handle_answers`.
    Send { request: RequestId, broker: BrokerId, batches: Vec<Outgoing>, departure: Departure },
    /// Seal the batch again as smaller ones; answer with `handle_split`.
    Split { partition: PartitionIndex, batch: BatchId },
    /// Tell those who wait for the records of the batch, which may still be open, and free its
    /// memory.
    Resolve { partition: PartitionIndex, batch: BatchId, verdict: Verdict },
    /// Ask any broker for a producer id; answer with `handle_producer_id`.
    AskProducerId,
    /// The partition is the transaction's from now on; answer with `handle_admitted` if its batches
    /// wait for that.
    JoinTransaction(PartitionIndex),
    /// What is known of leaders is stale.
    RefreshMetadata,
    /// End every attempt at a broker by closing the connection: another leads by now, and it does
    /// not answer.
    HangUp(BrokerId),
}

/// A batch within a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) struct Outgoing {
    pub(in crate::producer) partition: PartitionIndex,
    pub(in crate::producer) batch: BatchId,
    pub(in crate::producer) stamp: Option<SequenceStamp>,
}

/// What became of the records of a batch.
#[derive(Clone, Debug)]
pub(in crate::producer) enum Verdict {
    /// They are in the log; without an offset when the broker did not say which.
    Written { base_offset: Option<Offset>, append_time: Option<Timestamp> },
    /// They are not, or may not be: `error` says which. `records` are those with an error of their
    /// own (KIP-467).
    Failed { error: Error, records: Vec<(u32, Error)> },
}

/// What a broker, or the way to it, answered about one batch.
#[derive(Clone, Debug)]
pub(in crate::producer) enum Answer {
    /// The batch is in the log, now or since an earlier attempt.
    Written {
        base_offset: Option<Offset>,
        append_time: Option<Timestamp>,
    },
    /// Another attempt may succeed.
    Retry {
        error: Error,
        written: Written,
        is_leader_stale: bool,
    },
    /// No other attempt would succeed.
    Failed {
        error: Error,
        written: Written,
        records: Vec<(u32, Error)>,
    },
    TooLarge(Error),
    /// What should come before is missing, or the producer id is unknown.
    OutOfSequence(Error),
    /// A later epoch of the producer id exists.
    Fenced(Error),
}

impl Answer {
    pub(super) fn error(&self) -> Option<&Error> {
        match self {
            Self::Written { .. } => None,
            Self::Retry { error, .. }
            | Self::Failed { error, .. }
            | Self::TooLarge(error)
            | Self::OutOfSequence(error)
            | Self::Fenced(error) => Some(error),
        }
    }
}

/// What an answer says of the attempt. `Unknown` and `Abandoned` put the batch under rule (d),
/// `TooLarge` under (f); a duplicate came here as `Written` (g); all that ends without a success or
/// another attempt drains the partition (e).
pub(super) fn ending(answer: &Answer, attempts_left: bool) -> AttemptEnd {
    match answer {
        Answer::Written { .. } => AttemptEnd::Written,
        Answer::Retry { written: Written::No, .. } if attempts_left => AttemptEnd::NotWritten,
        Answer::Retry { .. } if attempts_left => AttemptEnd::Unknown,
        Answer::Retry { written, .. } | Answer::Failed { written, .. } => match written {
            Written::No => AttemptEnd::Refused,
            _ => AttemptEnd::Abandoned,
        },
        Answer::TooLarge(_) => AttemptEnd::TooLarge,
        Answer::OutOfSequence(_) | Answer::Fenced(_) if !attempts_left => AttemptEnd::Refused,
        Answer::OutOfSequence(_) => AttemptEnd::OutOfSequence,
        Answer::Fenced(_) => AttemptEnd::Fenced,
    }
}

/// Whether asking another broker for a producer id, or later, would end the same way. What is no
/// Kafka at all is one address of many.
pub(in crate::producer) fn is_last_word(error: &Error) -> bool {
    let is_answer = error.code().is_some() && !error.is_retriable();
    is_answer
        || error.is_refusal()
        || matches!(error.kind(), ErrorKind::Closed | ErrorKind::Unsupported)
}
