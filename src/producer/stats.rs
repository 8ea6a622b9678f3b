//! What a producer counts, a batch at a time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::memory::Memory;
use crate::wire::batch::RecordsBuilder;

/// What a producer has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerStats {
    /// Records in batches that were completed.
    pub records: u64,
    /// Their bytes before compression, with what batches add.
    pub bytes: u64,
    /// Batches that were completed.
    pub batches: u64,
    /// Batches that failed.
    pub failed_batches: u64,
    /// Produce requests.
    pub requests: u64,
    /// Batches that were sent once more.
    pub retries: u64,
    /// Bytes of `buffer.memory` in use.
    pub memory_used: usize,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    records: AtomicU64,
    bytes: AtomicU64,
    batches: AtomicU64,
    failed: AtomicU64,
    requests: AtomicU64,
    retries: AtomicU64,
}

impl Counters {
    pub(super) fn closed(&self, records: &RecordsBuilder) {
        self.records.fetch_add(records.count().into(), Relaxed);
        self.bytes.fetch_add(u64::try_from(records.len()).unwrap_or(u64::MAX), Relaxed);
        self.batches.fetch_add(1, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    pub(super) fn sent(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(super) fn snapshot(&self, memory: &Memory) -> ProducerStats {
        ProducerStats {
            records: self.records.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            batches: self.batches.load(Relaxed),
            failed_batches: self.failed.load(Relaxed),
            requests: self.requests.load(Relaxed),
            retries: self.retries.load(Relaxed),
            memory_used: memory.size().saturating_sub(memory.free()),
        }
    }
}
