//! What a producer and a consumer have done, as snapshots.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::histogram::{Histogram, Latencies};
use crate::ids::{Offset, TopicPartition};

/// Metrics of a producer of the messaging layer.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ProducerMetrics {
    /// The number of messages sent.
    pub total_messages: u64,
    /// The number of messages acknowledged.
    pub successful_messages: u64,
    /// The number of messages that failed or were refused.
    pub failed_messages: u64,
    /// The size of the keys and values sent, in bytes.
    pub bytes: u64,
    /// The latency from the send to the acknowledgement.
    pub latency: Latencies,
    /// Messages sent per second, averaged since the metrics were last read, at least a second ago.
    pub messages_per_second: f64,
    /// Bytes sent per second, averaged likewise.
    pub bytes_per_second: f64,
    /// How long batches linger at present, as decided by adaptive batching.
    pub adaptive_linger: Duration,
    /// Whether batches wait for the reply to a request in flight, as decided by adaptive batching.
    pub waits_for_replies: bool,
}

/// Metrics of a consumer of the messaging layer.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ConsumerMetrics {
    /// The number of messages handled.
    pub messages: u64,
    /// The size of their keys and values, in bytes.
    pub bytes: u64,
    /// The number of failed handler calls.
    pub failures: u64,
    /// The number of messages sent to a dead-letter topic.
    pub dead_letters: u64,
    /// How long handlers took per message, including retries.
    pub handling: Latencies,
    /// Messages handled per second, averaged since the metrics were last read, at least a second
    /// ago.
    pub messages_per_second: f64,
    /// Bytes handled per second, averaged likewise.
    pub bytes_per_second: f64,
    /// The number of messages not yet handled, as of the last lookup
    /// (`monitoring.metrics_interval`).
    pub lag: u64,
    /// The metrics of each assigned partition.
    pub partitions: BTreeMap<TopicPartition, PartitionMetrics>,
}

/// The progress of a consumer in one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionMetrics {
    /// The offset of the next message to handle.
    pub current_offset: Option<Offset>,
    /// The offset this consumer committed last.
    pub committed_offset: Option<Offset>,
    /// The number of messages not yet handled, as of the last lookup.
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
                Duration::from_nanos(now.saturating_sub(before)).as_secs_f64() * 1e9
                    / elapsed.as_secs_f64()
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
        assert_eq!(
            rate.look([250, 2000], begun + 2 * second + second / 2),
            [100.0, 1000.0],
            "as before"
        );
        assert_eq!(rate.look([300, 2000], begun + 4 * second), [50.0, 0.0]);
    }
}
