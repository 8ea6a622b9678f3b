//! What a run is made of, drawn from its seed.

use std::time::Duration;

use kavka::{Acks, AssignmentStrategy, Compression, GroupProtocol, ProducerConfig};

use kavka_testcontainers::embedded::{Builder, EmbeddedCluster};

use crate::dice::Dice;

/// Kafka's limit on the size of a batch in runs in which batches have to be split.
const SMALL_MESSAGE: usize = 1_500;

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) brokers: i32,
    /// Name, partitions, replication.
    pub(crate) topics: Vec<(String, i32, i16)>,
    pub(crate) message_max_bytes: usize,
    /// How long a killed broker passes for alive.
    pub(crate) detection: Duration,
    pub(crate) request_timeout: Duration,
    /// How long faults go on.
    pub(crate) trouble: Duration,
    pub(crate) producers: Vec<ProducerPlan>,
    pub(crate) groups: Vec<GroupPlan>,
}

#[derive(Clone, Debug)]
pub(crate) struct ProducerPlan {
    pub(crate) config: ProducerConfig,
    pub(crate) is_idempotent: bool,
    pub(crate) delivery_timeout: Duration,
    pub(crate) max_block: Duration,
    pub(crate) tasks: u64,
    pub(crate) records: u64,
    /// The longest pause of a task between two records.
    pub(crate) pause: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct GroupPlan {
    pub(crate) name: String,
    /// Each member draws one.
    pub(crate) protocols: Vec<GroupProtocol>,
    pub(crate) strategies: Vec<AssignmentStrategy>,
    pub(crate) commits_automatically: bool,
    /// Members say what is done, in any order (`enable.auto.offset.store=false`).
    pub(crate) marks: bool,
    pub(crate) session_timeout: Duration,
    pub(crate) members: u64,
    /// How often a member comes or goes during the trouble.
    pub(crate) changes: u64,
}

impl Plan {
    /// The cluster, not yet started.
    pub(crate) fn cluster(&self, dice: &mut Dice) -> Builder {
        let cluster = EmbeddedCluster::builder()
            .brokers(self.brokers)
            .in_memory()
            .seed(dice.next())
            .message_max_bytes(self.message_max_bytes)
            .failure_detection(self.detection);
        let topics = self.topics.iter();
        topics.fold(cluster, |cluster, (name, partitions, replication)| {
            cluster.topic(name, *partitions, *replication)
        })
    }

    pub(crate) fn new(dice: &mut Dice) -> Self {
        let brokers = dice.within(1..=3);
        let topics = (0..dice.within(1..=2)).map(|index| {
            let replication = dice.within(1..=brokers);
            (
                format!("topic-{index}"),
                i32::try_from(dice.within(1..=4)).unwrap(),
                i16::try_from(replication).unwrap(),
            )
        });
        let topics = topics.collect();
        let request_timeout = dice.millis(1_500..=6_000);
        Self {
            brokers: i32::try_from(brokers).unwrap(),
            topics,
            message_max_bytes: if dice.once_in(4) { SMALL_MESSAGE } else { 1_048_588 },
            detection: dice.pick(&[Duration::ZERO, Duration::from_millis(2_500)]),
            request_timeout,
            trouble: dice.millis(5_000..=20_000),
            producers: (0..dice.within(1..=2))
                .map(|_| ProducerPlan::new(dice, request_timeout))
                .collect(),
            groups: (0..dice.within(0..=2)).map(|index| GroupPlan::new(dice, index)).collect(),
        }
    }
}

impl ProducerPlan {
    fn new(dice: &mut Dice, request_timeout: Duration) -> Self {
        let is_idempotent = !dice.once_in(5);
        let linger = dice.pick(&[0, 0, 5, 100]);
        let delivery_timeout = match dice.once_in(2) {
            true => Duration::from_secs(120),
            false => request_timeout + Duration::from_millis(linger) + dice.millis(0..=5_000),
        };
        let max_block = dice.millis(5_000..=60_000);
        let codecs = [
            Compression::NONE,
            Compression::GZIP,
            Compression::SNAPPY,
            Compression::LZ4,
            Compression::ZSTD,
        ];
        let batch_size = dice.pick(&[200, 1_000, 4_000, 16_384]);
        let config = ProducerConfig::new()
            .enable_idempotence(is_idempotent)
            .acks(if is_idempotent { Acks::All } else { Acks::Leader })
            .linger(Duration::from_millis(linger))
            .batch_size(batch_size)
            .buffer_memory(batch_size * dice.pick(&[4, 1_000]))
            .max_in_flight_requests_per_connection(dice.pick(&[1, 2, 5, 5]))
            .compression(dice.pick(&codecs))
            .delivery_timeout(delivery_timeout)
            .max_block(max_block);
        Self {
            config,
            is_idempotent,
            delivery_timeout,
            max_block,
            tasks: dice.within(1..=3),
            records: dice.within(30..=200),
            pause: dice.pick(&[5, 150, 400]),
        }
    }
}

impl GroupPlan {
    fn new(dice: &mut Dice, index: u64) -> Self {
        use AssignmentStrategy::{CooperativeSticky, Range, RoundRobin, Sticky};
        let strategies: &[&[AssignmentStrategy]] = &[
            &[Range],
            &[RoundRobin],
            &[Sticky],
            &[CooperativeSticky],
            &[CooperativeSticky],
            &[Range, CooperativeSticky],
        ];
        use GroupProtocol::{Classic, Consumer};
        let protocols: &[&[GroupProtocol]] =
            &[&[Classic], &[Classic], &[Consumer], &[Consumer], &[Classic, Consumer]];
        Self {
            name: format!("group-{index}"),
            protocols: dice.pick(protocols).to_vec(),
            strategies: dice.pick(strategies).to_vec(),
            commits_automatically: !dice.once_in(3),
            marks: dice.once_in(3),
            session_timeout: dice.millis(6_000..=10_000),
            members: dice.within(1..=3),
            changes: dice.within(0..=5),
        }
    }
}
