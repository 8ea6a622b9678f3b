//! What a producer counts, a batch at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::ProducerShared;
use super::accumulator::memory::BufferMemory;
use crate::observability::ProducerEvent;
use crate::statistics::HandleReadings;

/// Counters of a producer since its creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerStats {
    /// The number of records in closed batches.
    pub records: u64,
    /// The size of these records in bytes, before compression, with the overhead of their batches.
    pub bytes: u64,
    /// The number of batches closed, that is, full or due to be sent.
    pub batches: u64,
    /// The number of batches that failed.
    pub failed_batches: u64,
    /// The number of Produce requests sent.
    pub requests: u64,
    /// The number of times a batch was sent again.
    pub retries: u64,
    /// The bytes of `buffer.memory` in use.
    pub memory_used: usize,
    /// How long an open batch lingers at present with adaptive batching; zero without it.
    pub adaptive_linger: Duration,
    /// Whether, with adaptive batching, a batch opened while a request is in flight waits for the
    /// reply.
    pub waits_for_replies: bool,
}

/// What a producer that lives tells for reports.
pub(super) fn reading(
    shared: &Arc<ProducerShared>,
) -> impl Fn(&mut HandleReadings) -> bool + Send + Sync + use<> {
    let shared = Arc::downgrade(shared);
    move |readings| {
        let Some(shared) = shared.upgrade() else { return false };
        let memory = &shared.accumulator.memory;
        let sum = readings.producers.get_or_insert_default();
        sum.size += memory.size();
        sum.used += memory.size().saturating_sub(memory.free());
        true
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    records: AtomicU64,
    bytes: AtomicU64,
    batches: AtomicU64,
    failed: AtomicU64,
    requests: AtomicU64,
    retries: AtomicU64,
    linger_nanos: AtomicU64,
    waits_for_replies: AtomicBool,
}

impl Counters {
    #[deny(clippy::wildcard_enum_match_arm)]
    pub(super) fn note(&self, event: ProducerEvent<'_>) {
        match event {
            ProducerEvent::BatchClosed { records, bytes } => {
                self.records.fetch_add(records.into(), Relaxed);
                self.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Relaxed);
                self.batches.fetch_add(1, Relaxed);
            }
            ProducerEvent::BatchRetried { .. } => {
                self.retries.fetch_add(1, Relaxed);
            }
            ProducerEvent::RequestSent { .. } => {
                self.requests.fetch_add(1, Relaxed);
            }
            ProducerEvent::BatchFailed { .. } => {
                self.failed.fetch_add(1, Relaxed);
            }
            ProducerEvent::LingerChosen { linger, waits_for_replies } => {
                let nanos = u64::try_from(linger.as_nanos()).unwrap_or(u64::MAX);
                self.linger_nanos.store(nanos, Relaxed);
                self.waits_for_replies.store(waits_for_replies, Relaxed);
            }
            ProducerEvent::BatchSent { .. }
            | ProducerEvent::RequestAnswered { .. }
            | ProducerEvent::BatchSplit
            | ProducerEvent::BatchResolved { .. }
            | ProducerEvent::TransactionBegun
            | ProducerEvent::TransactionEnded { .. }
            | ProducerEvent::TransactionRetried => {}
        }
    }

    pub(super) fn snapshot(&self, memory: &BufferMemory) -> ProducerStats {
        ProducerStats {
            records: self.records.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            batches: self.batches.load(Relaxed),
            failed_batches: self.failed.load(Relaxed),
            requests: self.requests.load(Relaxed),
            retries: self.retries.load(Relaxed),
            memory_used: memory.size().saturating_sub(memory.free()),
            adaptive_linger: Duration::from_nanos(self.linger_nanos.load(Relaxed)),
            waits_for_replies: self.waits_for_replies.load(Relaxed),
        }
    }
}
