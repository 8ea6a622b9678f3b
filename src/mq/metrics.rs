//! What a producer and a consumer have done, as snapshots.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::histogram::{Histogram, Latencies};
use crate::ids::{Offset, TopicPartition};

/// What a producer of the messaging layer has done.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ProducerMetrics {
    /// Messages that were handed over.
    pub total_messages: u64,
    /// Those that were acknowledged.
    pub successful_messages: u64,
    /// Those that failed, or were refused.
    pub failed_messages: u64,
    /// Bytes of keys and values that were handed over.
    pub bytes: u64,
    /// From sending to the acknowledgement.
    pub latency: Latencies,
    /// Messages handed over each second, since the metrics were looked at last, a second ago or more.
    pub messages_per_second: f64,
    /// Bytes, likewise.
    pub bytes_per_second: f64,
    /// How long batches wait now, as adaptive batching has decided.
    pub adaptive_linger: Duration,
    /// Whether batches wait for the reply to what is on its way, likewise.
    pub waits_for_replies: bool,
}

/// What a consumer of the messaging layer has done.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ConsumerMetrics {
    /// Messages that handlers have taken.
    pub messages: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Calls of handlers that failed.
    pub failures: u64,
    /// Messages that went to a dead-letter topic.
    pub dead_letters: u64,
    /// How long handlers took for a message, with repetitions.
    pub handling: Latencies,
    /// Messages taken each second, since the metrics were looked at last, a second ago or more.
    pub messages_per_second: f64,
    /// Bytes, likewise.
    pub bytes_per_second: f64,
    /// Messages that are in the partitions and have not been handled, as of the last look (`monitoring.metrics_interval`).
    pub lag: u64,
    /// Each partition that is assigned.
    pub partitions: BTreeMap<TopicPartition, PartitionMetrics>,
}

/// Where a consumer stands in a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionMetrics {
    /// The next offset to be handled.
    pub current_offset: Option<Offset>,
    /// What this consumer has committed last.
    pub committed_offset: Option<Offset>,
    /// Messages that have not been handled, as of the last look.
    pub lag: Option<u64>,
}

/// Counts for a producer; a message costs a few relaxed additions.
#[derive(Debug)]
pub(super) struct ProducerMeter {
    pub(super) is_on: bool,
    total: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
    latency: Histogram,
    rate: Mutex<Rate>,
}

/// Counts for a consumer.
#[derive(Debug)]
pub(super) struct ConsumerMeter {
    pub(super) is_on: bool,
    messages: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
    dead_letters: AtomicU64,
    handling: Histogram,
    rate: Mutex<Rate>,
}

/// Two counts at an earlier look.
#[derive(Clone, Copy, Debug)]
struct Rate {
    at: Instant,
    counts: [u64; 2],
    per_second: [f64; 2],
}

impl Rate {
    fn new(now: Instant) -> Self {
        Self { at: now, counts: [0; 2], per_second: [0.0; 2] }
    }

    fn look(&mut self, counts: [u64; 2], now: Instant) -> [f64; 2] {
        let elapsed = now.saturating_duration_since(self.at);
        if elapsed >= Duration::from_secs(1) {
            let rate = |now: u64, before: u64| {
                Duration::from_nanos(now.saturating_sub(before)).as_secs_f64() * 1e9 / elapsed.as_secs_f64()
            };
            self.per_second = [rate(counts[0], self.counts[0]), rate(counts[1], self.counts[1])];
            self.counts = counts;
            self.at = now;
        }
        self.per_second
    }
}

impl ProducerMeter {
    pub(super) fn new(is_on: bool, now: Instant) -> Self {
        Self {
            is_on,
            total: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            latency: Histogram::default(),
            rate: Mutex::new(Rate::new(now)),
        }
    }

    #[inline]
    pub(super) fn sent(&self, bytes: usize) {
        if self.is_on {
            self.total.fetch_add(1, Relaxed);
            self.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Relaxed);
        }
    }

    pub(super) fn failed(&self) {
        if self.is_on {
            self.failed.fetch_add(1, Relaxed);
        }
    }

    #[inline]
    pub(super) fn acknowledged(&self, latency: Duration) {
        if self.is_on {
            self.latency.record(latency);
        }
    }

    pub(super) fn snapshot(&self, now: Instant) -> ProducerMetrics {
        let (total, bytes) = (self.total.load(Relaxed), self.bytes.load(Relaxed));
        let [messages_per_second, bytes_per_second] =
            self.rate.lock().unwrap_or_else(PoisonError::into_inner).look([total, bytes], now);
        let latency = self.latency.snapshot();
        ProducerMetrics {
            total_messages: total,
            successful_messages: latency.count,
            failed_messages: self.failed.load(Relaxed),
            bytes,
            latency,
            messages_per_second,
            bytes_per_second,
            ..ProducerMetrics::default()
        }
    }
}

impl ConsumerMeter {
    pub(super) fn new(is_on: bool, now: Instant) -> Self {
        Self {
            is_on,
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            dead_letters: AtomicU64::new(0),
            handling: Histogram::default(),
            rate: Mutex::new(Rate::new(now)),
        }
    }

    #[inline]
    pub(super) fn handled(&self, bytes: usize, took: Duration) {
        if self.is_on {
            self.messages.fetch_add(1, Relaxed);
            self.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Relaxed);
            self.handling.record(took);
        }
    }

    pub(super) fn failed(&self) {
        if self.is_on {
            self.failures.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn dead_letter(&self) {
        if self.is_on {
            self.dead_letters.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn snapshot(&self, now: Instant) -> ConsumerMetrics {
        let (messages, bytes) = (self.messages.load(Relaxed), self.bytes.load(Relaxed));
        let [messages_per_second, bytes_per_second] =
            self.rate.lock().unwrap_or_else(PoisonError::into_inner).look([messages, bytes], now);
        ConsumerMetrics {
            messages,
            bytes,
            failures: self.failures.load(Relaxed),
            dead_letters: self.dead_letters.load(Relaxed),
            handling: self.handling.snapshot(),
            messages_per_second,
            bytes_per_second,
            ..ConsumerMetrics::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_over_the_time_since_the_last_look() {
        let begun = Instant::now();
        let mut rate = Rate::new(begun);
        let second = Duration::from_secs(1);
        assert_eq!(rate.look([100, 1000], begun + second / 2), [0.0, 0.0], "too early to tell");
        assert_eq!(rate.look([200, 2000], begun + 2 * second), [100.0, 1000.0]);
        assert_eq!(rate.look([250, 2000], begun + 2 * second + second / 2), [100.0, 1000.0], "as before");
        assert_eq!(rate.look([300, 2000], begun + 4 * second), [50.0, 0.0]);
    }
}
