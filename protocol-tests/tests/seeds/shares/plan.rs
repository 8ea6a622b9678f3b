//! What a run of share groups is made of.

use std::time::Duration;

use kavka::{ShareAcknowledgementMode, ShareAcquireMode, ShareConsumerConfig};

use crate::dice::Dice;
use crate::plan::Plan;

/// How the groups of a run are called; not every run has the second.
pub(super) const GROUPS: [&str; 2] = ["shares-0", "shares-1"];

/// A share group, and what it is to expect.
#[derive(Clone, Debug)]
pub(super) struct GroupPlan {
    pub(super) name: &'static str,
    /// `share.record.lock.duration.ms`.
    pub(super) lock: Duration,
    /// `share.delivery.count.limit`.
    pub(super) limit: u16,
    pub(super) heartbeat: Duration,
    pub(super) session: Duration,
    pub(super) members: u64,
    /// How often a member comes or goes.
    pub(super) changes: u64,
}

/// What one member is set to.
#[derive(Clone, Debug)]
pub(super) struct MemberPlan {
    pub(super) config: ShareConsumerConfig,
    pub(super) is_explicit: bool,
    pub(super) max_wait: Duration,
    pub(super) max_records: usize,
    /// It may be silent for longer than it may be.
    pub(super) is_lax: bool,
    /// The longest pause between two calls.
    pub(super) pause: u64,
}

/// Who writes, into every partition by itself.
#[derive(Clone, Debug)]
pub(super) struct Writing {
    pub(super) batches: u64,
    pub(super) most_records: u64,
    pub(super) pause: u64,
}

/// The longest batch that is written.
pub(super) const LONGEST_BATCH: u64 = 20;

pub(super) fn plan(dice: &mut Dice) -> Plan {
    let brokers = dice.within(1..=3);
    let topics = (0..dice.within(1..=2)).map(|index| {
        let partitions = i32::try_from(dice.within(1..=4)).unwrap();
        (format!("topic-{index}"), partitions, i16::try_from(dice.within(1..=brokers)).unwrap())
    });
    Plan {
        brokers: i32::try_from(brokers).unwrap(),
        topics: topics.collect(),
        message_max_bytes: 1_048_588,
        detection: dice.pick(&[Duration::ZERO, Duration::from_millis(2_500)]),
        request_timeout: dice.millis(1_500..=6_000),
        trouble: dice.millis(5_000..=20_000),
        producers: Vec::new(),
        groups: Vec::new(),
    }
}

impl GroupPlan {
    pub(super) fn new(name: &'static str, dice: &mut Dice) -> Self {
        Self {
            name,
            lock: Duration::from_millis(dice.pick(&[800, 2_000, 2_000, 5_000, 30_000])),
            limit: dice.pick(&[2, 3, 5, 5, 10]),
            heartbeat: Duration::from_millis(dice.pick(&[500, 1_000, 5_000])),
            session: dice.millis(6_000..=10_000),
            members: dice.within(1..=5),
            changes: dice.within(0..=8),
        }
    }
}

impl MemberPlan {
    pub(super) fn new(group: &str, dice: &mut Dice) -> Self {
        let is_explicit = !dice.once_in(3);
        let is_lax = dice.once_in(8);
        let max_wait = dice.pick(&[100, 500, 500, 1_000]);
        let max_records = dice.pick(&[1, 5, 20, 500]);
        let mode = match is_explicit {
            true => ShareAcknowledgementMode::Explicit,
            false => ShareAcknowledgementMode::Implicit,
        };
        let acquire = dice.pick(&[ShareAcquireMode::BatchOptimized, ShareAcquireMode::RecordLimit]);
        let poll_interval = Duration::from_secs(if is_lax { 2 } else { 300 });
        let config = ShareConsumerConfig::new(group)
            .share_acknowledgement_mode(mode)
            .share_acquire_mode(acquire)
            .max_poll_interval(poll_interval)
            .max_poll_records(max_records)
            .fetch_max_wait(Duration::from_millis(max_wait));
        Self {
            config,
            is_explicit,
            max_wait: Duration::from_millis(max_wait),
            max_records,
            is_lax,
            pause: dice.pick(&[20, 100, 400]),
        }
    }
}

impl Writing {
    pub(super) fn new(dice: &mut Dice) -> Self {
        Self {
            batches: dice.within(3..=25),
            most_records: dice.pick(&[1, 4, LONGEST_BATCH]),
            pause: dice.pick(&[50, 400, 1_200]),
        }
    }
}
