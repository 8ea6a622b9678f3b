//! Decides how long an open batch waits for company, from how fast records come and brokers answer
//! (`adaptive_batching`, ours).
//!
//! # The control law
//!
//! Three quantities, of which two are observed and none is tuned by hand:
//!
//! ```text
//!  λ  records per second, of the whole producer     windows of 5 ms, smoothed over 25 ms, forgotten when idle
//!  ρ  time to the next reply of a busy broker       s + 4·d of a smoothed mean and deviation, as TCP (RFC 6298)
//!  T, L   target throughput, target latency         the user's
//!
//!  while a request to the leader is on its way, and λ·s ≥ 1, and 2·ρ ≤ L:
//!      wait until nothing is on its way, or for the second reply, L at the longest
//!  else:
//!      wait h = (L − 1 ms) · min(1, λ/T), or not at all where λ·h < 1
//!  a record above `small_record` bytes, a full batch, a flush: do not wait
//! ```
//!
//! A lone record finds nothing on its way and no company to come, and leaves at once. As the rate
//! rises, more than one record is expected before the reply (λ·s ≥ 1), and then waiting for it
//! costs almost nothing: a broker serves one request of a connection at a time, so an earlier
//! request would wait at the broker instead. Batches so grow with the rate by themselves. Where
//! several requests are on their way, as after a burst, waiting for the second reply drains them,
//! one at a time. `h` is what a target latency of more than a timer's tick leaves to spend on
//! fuller batches, in proportion to how near the target throughput is.
//!
//! The time to a reply is counted from its request or from the reply before it, whichever is later:
//! with the queue of our own requests in it, a pipeline once full would look like a slow broker,
//! and stay full. Replies that cannot be relied on to come within the target are not waited for, so
//! that the 99th percentile of the wait stays under the target; the pipeline of five requests then
//! limits what is sent, as without this.
//!
//! # Why it does not oscillate
//!
//! Nothing here measures its own outcome. `h` follows λ, which the callers make. Where they wait
//! for their acknowledgement, so that λ falls as `h` rises, the gain of that loop is
//! (dh/dλ)·(dλ/dh) = −(L/T)·λ/(s + h), whose size is at most h/(s + h) < 1: it settles.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::ready::PartitionIndex;
use crate::error::{Error, Result};
use crate::ids::BrokerId;

/// Lets the producer decide how long batches wait, instead of `linger.ms`; see
/// [`ProducerConfig::adaptive_batching`](crate::ProducerConfig::adaptive_batching).
///
/// A record for a broker without a request in flight is sent at once. Records in quicker succession
/// are batched: those that arrive while a request is in flight are sent together once it is
/// answered. If the target latency allows more, batches wait in proportion to the ratio of the
/// current rate to the target throughput. Waiting stays below the target latency, except that a
/// timer may fire up to a millisecond late when a broker's response time changes.
///
/// ```
/// use std::time::Duration;
/// use kavka::{AdaptiveBatching, ProducerConfig};
///
/// let batching = AdaptiveBatching::new().target_latency(Duration::from_millis(5)).target_throughput(200_000);
/// let config = ProducerConfig::new().adaptive_batching(batching);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdaptiveBatching {
    pub(in crate::producer) target_latency: Duration,
    pub(in crate::producer) target_throughput: u64,
    pub(in crate::producer) small_record: usize,
}

impl AdaptiveBatching {
    /// Creates the default settings: up to 1 ms of waiting, a target of 100,000 records per second,
    /// and records of up to 1 KiB counting as small.
    pub fn new() -> Self {
        Self {
            target_latency: Duration::from_millis(1),
            target_throughput: 100_000,
            small_record: 1024,
        }
    }

    /// Sets how long a record may wait for others (default 1 ms).
    #[must_use]
    pub fn target_latency(mut self, latency: Duration) -> Self {
        self.target_latency = crate::config::bounded(latency);
        self
    }

    /// Sets the rate, in records per second, at which batches wait for the whole target latency
    /// (default 100,000).
    #[must_use]
    pub fn target_throughput(mut self, records_per_second: u64) -> Self {
        self.target_throughput = records_per_second;
        self
    }

    /// Sets the size of key and value, in bytes, up to which a record waits for others (default
    /// 1,024). A larger record is sent at once, together with the batch so far.
    #[must_use]
    pub fn small_record(mut self, bytes: usize) -> Self {
        self.small_record = bytes;
        self
    }

    pub(in crate::producer) fn check(&self) -> Result<()> {
        if self.target_latency.is_zero() {
            return Err(Error::config(
                "the target latency of adaptive batching is 0: more is allowed, or linger.ms=0 \
                 instead",
            ));
        }
        if self.target_throughput == 0 {
            return Err(Error::config(
                "the target throughput of adaptive batching is 0: 1 or more is allowed",
            ));
        }
        Ok(())
    }
}

impl Default for AdaptiveBatching {
    fn default() -> Self {
        Self::new()
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(in crate::producer) struct Adaptive {
    targets: AdaptiveBatching,
    arrivals: Arrivals,
    replies: Option<Replies>,
    brokers: BTreeMap<BrokerId, Clock>,
}

/// The last replies of a broker, and the partitions whose open batch waits for the next.
#[derive(Debug, Default)]
struct Clock {
    last_reply: Option<Instant>,
    reply_before: Option<Instant>,
    waiting: BTreeSet<PartitionIndex>,
}

/// λ.
#[derive(Debug)]
struct Arrivals {
    per_second: f64,
    counted: u64,
    since: Instant,
}

/// ρ, in seconds.
#[derive(Clone, Copy, Debug)]
struct Replies {
    mean: f64,
    deviation: f64,
}

/// How long open batches of one broker wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) struct BrokerLinger {
    /// A batch that has seen two replies, and any while nothing is on its way.
    pub(in crate::producer) linger: Duration,
    /// Others, while something is on its way; `None` where replies are not waited for.
    pub(in crate::producer) for_reply: Option<ForReply>,
}

/// The wait for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) struct ForReply {
    /// The last reply but one.
    pub(in crate::producer) reply_before: Option<Instant>,
    pub(in crate::producer) longest: Duration,
}

impl Adaptive {
    pub(in crate::producer) fn new(targets: AdaptiveBatching, now: Instant) -> Self {
        let arrivals = Arrivals { per_second: 0.0, counted: 0, since: now };
        Self { targets, arrivals, replies: None, brokers: BTreeMap::new() }
    }

    /// So many records are in a batch that takes no more; with 0, time has passed.
    pub(in crate::producer) fn handle_records(&mut self, count: u32, now: Instant) {
        self.arrivals.note(count, now);
    }

    /// A broker has answered; returns the partitions that waited for that.
    pub(in crate::producer) fn handle_reply(
        &mut self,
        broker: BrokerId,
        sent: Instant,
        now: Instant,
    ) -> BTreeSet<PartitionIndex> {
        let clock = self.brokers.entry(broker).or_default();
        let begun = clock.last_reply.map_or(sent, |last| last.max(sent));
        let took = now.saturating_duration_since(begun).as_secs_f64();
        self.replies = Some(match self.replies {
            None => Replies { mean: took, deviation: took / 2.0 },
            Some(Replies { mean, deviation }) => Replies {
                deviation: deviation + ((took - mean).abs() - deviation) / 4.0,
                mean: mean + (took - mean) / 8.0,
            },
        });
        clock.reply_before = clock.last_reply.replace(now);
        std::mem::take(&mut clock.waiting)
    }

    /// The open batch of a partition waits.
    pub(in crate::producer) fn handle_waiting(
        &mut self,
        broker: BrokerId,
        partition: PartitionIndex,
    ) {
        self.brokers.entry(broker).or_default().waiting.insert(partition);
    }

    pub(in crate::producer) fn wait(&self, broker: BrokerId, is_busy: bool) -> BrokerLinger {
        let longest = self.targets.target_latency;
        let is_clocked = is_busy && self.waits_for_replies();
        let reply_before = self.brokers.get(&broker).and_then(|clock| clock.reply_before);
        BrokerLinger {
            linger: self.linger(),
            for_reply: is_clocked.then_some(ForReply { reply_before, longest }),
        }
    }

    /// Whether company is expected before a reply, and two replies come within the target.
    pub(in crate::producer) fn waits_for_replies(&self) -> bool {
        self.replies.is_some_and(|replies| {
            let late = replies.mean + 4.0 * replies.deviation;
            self.arrivals.per_second * replies.mean >= 1.0
                && 2.0 * late <= self.targets.target_latency.as_secs_f64()
        })
    }

    /// `h` of the law.
    pub(in crate::producer) fn linger(&self) -> Duration {
        let budget = self.targets.target_latency.saturating_sub(TICK);
        #[allow(
            clippy::cast_precision_loss,
            reason = "a rate of above 2^53 records per second may be rounded"
        )]
        let load = (self.arrivals.per_second / self.targets.target_throughput as f64).min(1.0);
        let linger = budget.mul_f64(load);
        if self.arrivals.per_second * linger.as_secs_f64() < 1.0 { Duration::ZERO } else { linger }
    }
}

impl Arrivals {
    fn note(&mut self, count: u32, now: Instant) {
        self.counted = self.counted.saturating_add(count.into());
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < WINDOW {
            return;
        }
        let counted = f64::from(u32::try_from(self.counted).unwrap_or(u32::MAX));
        let weight = (elapsed.as_secs_f64() / MEMORY.as_secs_f64()).min(1.0);
        self.per_second += (counted / elapsed.as_secs_f64() - self.per_second) * weight;
        self.counted = 0;
        self.since = now;
    }
}

/// The least time over which a rate is counted (a guess: at 100,000 records per second it sees
/// 500).
const WINDOW: Duration = Duration::from_millis(5);

/// How long a rate is remembered (a guess: a burst of that length is taken for a rate).
const MEMORY: Duration = Duration::from_millis(25);

/// By how much tokio's timer may be late.
const TICK: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    const BROKER: BrokerId = BrokerId(1);

    /// A law that has seen a rate for a second, and replies of some length.
    fn seen(targets: AdaptiveBatching, per_second: u32, reply: Duration) -> (Adaptive, Instant) {
        let mut now = Instant::now();
        let mut adaptive = Adaptive::new(targets, now);
        for _ in 0..100 {
            now += Duration::from_millis(10);
            adaptive.handle_records(per_second / 100, now);
            let _ = adaptive.handle_reply(BROKER, now - reply, now);
        }
        (adaptive, now)
    }

    fn five_ms() -> AdaptiveBatching {
        AdaptiveBatching::new().target_latency(Duration::from_millis(5))
    }

    #[test]
    fn nothing_waits_before_anything_is_known() {
        let adaptive = Adaptive::new(five_ms(), Instant::now());
        assert_eq!(
            adaptive.wait(BROKER, true),
            BrokerLinger { linger: Duration::ZERO, for_reply: None }
        );
    }

    #[test]
    fn company_must_be_expected_before_a_reply_is_waited_for() {
        let reply = Duration::from_micros(300);
        assert!(!seen(five_ms(), 3_000, reply).0.waits_for_replies());
        assert!(seen(five_ms(), 4_000, reply).0.waits_for_replies());
    }

    #[test]
    fn a_reply_that_may_exceed_the_target_is_not_waited_for() {
        let targets = AdaptiveBatching::new();
        assert!(seen(targets, 100_000, Duration::from_micros(450)).0.waits_for_replies());
        assert!(!seen(targets, 100_000, Duration::from_micros(550)).0.waits_for_replies());
        let (mut adaptive, now) = seen(targets, 100_000, Duration::from_micros(250));
        // As likely 0.1 ms as 0.4 ms: the mean is well below the target, the worst is not.
        for number in 0..100 {
            let _ = adaptive.handle_reply(
                BROKER,
                now - Duration::from_micros(100 + 300 * (number % 2)),
                now,
            );
        }
        assert!(!adaptive.waits_for_replies());
    }

    #[test]
    fn the_timer_spends_what_the_target_leaves_in_proportion_to_the_load() {
        let reply = Duration::from_micros(300);
        let linger = |per_second| seen(five_ms(), per_second, reply).0.linger();
        assert_eq!(linger(1_000), Duration::ZERO, "less than one record would come");
        let half = linger(50_000);
        assert!(
            half > Duration::from_micros(1_950) && half < Duration::from_micros(2_050),
            "{half:?}"
        );
        assert_eq!(linger(400_000), Duration::from_millis(4), "the target less a tick, never more");
        assert_eq!(
            seen(AdaptiveBatching::new(), 400_000, reply).0.linger(),
            Duration::ZERO,
            "a target of one tick leaves nothing"
        );
    }

    #[test]
    fn an_idle_producer_forgets_its_rate() {
        let (mut adaptive, now) = seen(five_ms(), 100_000, Duration::from_micros(300));
        adaptive.handle_records(0, now + Duration::from_millis(30));
        assert_eq!(adaptive.linger(), Duration::ZERO);
        assert!(!adaptive.waits_for_replies());
    }

    #[test]
    fn impossible_targets_are_refused() {
        assert!(AdaptiveBatching::new().target_latency(Duration::ZERO).check().is_err());
        assert!(AdaptiveBatching::new().target_throughput(0).check().is_err());
        AdaptiveBatching::new().check().unwrap();
    }
}
