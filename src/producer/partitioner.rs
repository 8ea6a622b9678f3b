//! Which partition a record goes to.
//!
//! A record with a key goes where Java's producer would put it: murmur2 of the key over all
//! partitions. One without sticks to a partition until `batch.size` bytes went there, then moves
//! on, so that batches fill; the next is drawn at random, the more probably the shorter its queue
//! is, so that a slow broker gets less (KIP-480, KIP-794; Java's `BuiltInPartitioner`).
//!
//! ```text
//!          current()                    appended(): batch.size bytes and the batch is full,
//!  Unset ────────────▶ Stuck(partition) ──────────────────────────────────────────────────▶ Unset
//!                                                   or twice batch.size bytes
//! ```

use std::fmt;

use crate::clock::Random;
use crate::ids::PartitionId;
use crate::record::Record;

/// Chooses the partition of a record, instead of Kafka's built-in partitioning. Set by
/// [`ProducerConfig::partitioner`](super::ProducerConfig::partitioner).
///
/// ```
/// use kavka::{PartitionId, Partitioner, ProducerConfig, Record, TopicPartitions};
///
/// /// Sends urgent records to a partition of their own.
/// #[derive(Debug)]
/// struct Urgent;
///
/// impl Partitioner for Urgent {
///     fn partition(&self, record: &Record<'_>, topic: &TopicPartitions) -> Option<PartitionId> {
///         match record.key {
///             Some(key) if key.starts_with(b"urgent") => Some(PartitionId(0)),
///             Some(key) => Some(topic.of_key(key)),
///             None => None,
///         }
///     }
/// }
///
/// let config = ProducerConfig::new().partitioner(Urgent);
/// ```
pub trait Partitioner: fmt::Debug + Send + Sync {
    /// Returns the partition for a record that names none, or `None` to let the producer choose as
    /// for a record without a key.
    ///
    /// Called for each record by the task that sends it, so it must not block or take long. The
    /// record fails if the topic has no such partition.
    fn partition(&self, record: &Record<'_>, topic: &TopicPartitions) -> Option<PartitionId>;

    /// Returns whether records for which [`Partitioner::partition`] returns `None` go where the
    /// fewest batches wait to be acknowledged, and on with every new batch, as franz-go's
    /// `LeastBackupPartitioner` has it (default false: as records without a key do).
    ///
    /// Asked once for each topic.
    fn prefers_least_backup(&self) -> bool {
        false
    }
}

/// The partitions of a topic, as seen by a partitioner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPartitions {
    count: u32,
    available: Vec<PartitionId>,
}

impl TopicPartitions {
    /// `has_leader` in the order of the partitions.
    pub(crate) fn new(has_leader: impl IntoIterator<Item = bool>) -> Self {
        let mut partitions = Self::default();
        for (id, has_leader) in (0..).map(PartitionId).zip(has_leader) {
            partitions.count += 1;
            if has_leader {
                partitions.available.push(id);
            }
        }
        partitions
    }

    /// Returns the number of partitions of the topic; at least 1.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Returns the partitions that have a leader at the moment, in order.
    pub fn available(&self) -> &[PartitionId] {
        &self.available
    }

    /// Returns the partition that Java's producer chooses for a key. A key maps to the same
    /// partition as long as the number of partitions does not change.
    pub fn of_key(&self, key: &[u8]) -> PartitionId {
        self.of_hash(murmur2(key) & 0x7fff_ffff)
    }

    pub(crate) fn of_hash(&self, hash: u32) -> PartitionId {
        PartitionId::from_index(hash.checked_rem(self.count).unwrap_or(0))
    }

    /// The partition whose turn it is, of those that have a leader if any has.
    pub(crate) fn in_turn(&self, turn: u32) -> Option<PartitionId> {
        let turn = usize::try_from(turn).ok()?;
        match turn.checked_rem(self.available.len()) {
            Some(at) => self.available.get(at).copied(),
            None => u32::try_from(turn).ok().map(|turn| self.of_hash(turn)),
        }
    }

    /// Any partition, rather one that has a leader.
    fn any(&self, random: &mut Random) -> PartitionId {
        match u64::try_from(self.available.len()) {
            Ok(0) | Err(_) => {
                PartitionId::from_index(u32::try_from(random.below(self.count.into())).unwrap_or(0))
            }
            Ok(count) => usize::try_from(random.below(count))
                .ok()
                .and_then(|at| self.available.get(at))
                .copied()
                .unwrap_or(PartitionId(0)),
        }
    }
}

impl PartitionId {
    /// Partition counts are positive 32-bit numbers in the protocol.
    fn from_index(index: u32) -> Self {
        Self(i32::try_from(index).unwrap_or(i32::MAX))
    }
}

/// Where the records of one topic go that have no key.
#[derive(Clone, Debug)]
pub(crate) struct Sticky {
    /// `batch.size`.
    limit: usize,
    state: PartitionerState,
    load: Option<PartitionLoad>,
}

#[derive(Clone, Copy, Debug)]
enum PartitionerState {
    Unset,
    Stuck { partition: PartitionId, bytes: usize },
}

impl Sticky {
    pub(crate) fn new(batch_size: usize) -> Self {
        Self { limit: batch_size.max(1), state: PartitionerState::Unset, load: None }
    }

    /// The partition for the next record; the same until [`Sticky::appended`] lets go of it.
    pub(crate) fn current(&mut self, topic: &TopicPartitions, random: &mut Random) -> PartitionId {
        if let PartitionerState::Stuck { partition, .. } = self.state {
            return partition;
        }
        let partition = match &self.load {
            Some(load) => load.draw(random),
            None => topic.any(random),
        };
        self.state = PartitionerState::Stuck { partition, bytes: 0 };
        partition
    }

    /// Counts a record that went to a partition that [`Sticky::current`] gave; `is_batch_ready`
    /// when the batch it went to takes no more, or none is open.
    ///
    /// Moving on in the middle of a batch would leave two half-full ones, so that waits for the
    /// batch, but not for ever.
    pub(crate) fn appended(&mut self, to: PartitionId, bytes: usize, is_batch_ready: bool) {
        if let PartitionerState::Stuck { partition, bytes: sum } = &mut self.state
            && *partition == to
        {
            *sum = sum.saturating_add(bytes);
            if *sum >= self.limit && (is_batch_ready || *sum >= self.limit.saturating_mul(2)) {
                self.state = PartitionerState::Unset;
            }
        }
    }

    /// Lets go of a partition that cannot take records.
    pub(crate) fn avoid(&mut self, partition: PartitionId) {
        if matches!(self.state, PartitionerState::Stuck { partition: current, .. } if current == partition)
        {
            self.state = PartitionerState::Unset;
        }
    }

    /// Sets how long the queues are, by which the next partitions are drawn; `None` draws evenly.
    pub(crate) fn set_load(&mut self, load: Option<PartitionLoad>) {
        self.load = load;
    }
}

/// How much each partition can take: a cumulated table of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionLoad {
    partitions: Vec<PartitionId>,
    /// The sum of the weights up to and with each partition.
    sums: Vec<u64>,
}

impl PartitionLoad {
    /// From the number of batches that wait for each partition that is available, out of `count`
    /// partitions of the topic.
    ///
    /// `None` if there is nothing to prefer: all are available and equally loaded, or there is only
    /// one.
    pub(crate) fn new(queues: &[(PartitionId, u32)], count: u32) -> Option<Self> {
        let longest = queues.iter().map(|(_, queued)| *queued).max()?;
        let are_equal = queues.iter().all(|(_, queued)| *queued == longest);
        if count < 2 || (are_equal && u32::try_from(queues.len()) == Ok(count)) {
            return None;
        }
        let mut sum = 0;
        let weigh = |(_, queued): &(PartitionId, u32)| {
            sum += u64::from(longest - queued) + 1;
            sum
        };
        Some(Self {
            sums: queues.iter().map(weigh).collect(),
            partitions: queues.iter().map(|(id, _)| *id).collect(),
        })
    }

    /// Any of those for which the fewest batches wait.
    pub(crate) fn least(queues: &[(PartitionId, u32)]) -> Option<Self> {
        let shortest = queues.iter().map(|(_, queued)| *queued).min()?;
        let least = queues.iter().filter(|(_, queued)| *queued == shortest);
        let partitions: Vec<_> = least.map(|(id, _)| *id).collect();
        Some(Self { sums: (1..).take(partitions.len()).collect(), partitions })
    }

    fn draw(&self, random: &mut Random) -> PartitionId {
        let drawn = random.below(self.sums.last().copied().unwrap_or(0));
        let at = self.sums.partition_point(|sum| *sum <= drawn);
        self.partitions.get(at).copied().unwrap_or(PartitionId(0))
    }
}

/// Kafka's murmur2: 32 bits, little endian, with Kafka's seed (Java's `Utils.murmur2`).
pub(crate) fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    // Lengths in Java are 31 bits; a longer key does not fit a record.
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let (words, tail) = key.as_chunks::<4>();
    let mut hash = words.iter().fold(SEED ^ length, |hash, word| {
        let k = u32::from_le_bytes(*word).wrapping_mul(M);
        hash.wrapping_mul(M) ^ (k ^ (k >> 24)).wrapping_mul(M)
    });
    if !tail.is_empty() {
        hash ^= tail.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn all(count: usize) -> TopicPartitions {
        TopicPartitions::new(std::iter::repeat_n(true, count))
    }

    fn queues(lengths: &[u32]) -> Vec<(PartitionId, u32)> {
        (0..).map(PartitionId).zip(lengths.iter().copied()).collect()
    }

    fn draws(
        sticky: &mut Sticky,
        topic: &TopicPartitions,
        count: usize,
    ) -> BTreeMap<PartitionId, usize> {
        let mut random = Random::new(7);
        let mut drawn = BTreeMap::new();
        for _ in 0..count {
            let partition = sticky.current(topic, &mut random);
            *drawn.entry(partition).or_default() += 1;
            sticky.avoid(partition);
        }
        drawn
    }

    /// Made by Java's `Utils.murmur2` and `Utils.toPositive` (kafka-clients 4.4.0): key in
    /// hexadecimal, hash, and its partition of 7 and of 50.
    #[test]
    fn keys_go_where_java_puts_them() {
        for line in include_str!("murmur2.txt").lines() {
            let [key, hash, of_7, of_50] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let digits = key.trim_start_matches('-').as_bytes();
            let bytes: Vec<u8> = digits
                .chunks(2)
                .map(|pair| {
                    u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16)
                        .expect("hexadecimal")
                })
                .collect();
            assert_eq!(murmur2(&bytes).cast_signed().to_string(), hash, "{key}");
            assert_eq!(all(7).of_key(&bytes).to_string(), of_7, "{key}");
            assert_eq!(all(50).of_key(&bytes).to_string(), of_50, "{key}");
        }
    }

    #[test]
    fn a_partition_is_kept_until_batch_size_bytes_and_a_full_batch() {
        let (topic, mut random) = (all(1000), Random::new(1));
        let mut sticky = Sticky::new(100);
        let first = sticky.current(&topic, &mut random);
        sticky.appended(first, 99, true);
        assert_eq!(sticky.current(&topic, &mut random), first, "too few bytes");
        sticky.appended(first, 1, false);
        assert_eq!(sticky.current(&topic, &mut random), first, "the batch has room");
        sticky.appended(first, 1, true);
        assert_ne!(sticky.current(&topic, &mut random), first);
    }

    #[test]
    fn twice_batch_size_bytes_do_not_wait_for_the_batch() {
        let (topic, mut random) = (all(1000), Random::new(1));
        let mut sticky = Sticky::new(100);
        let first = sticky.current(&topic, &mut random);
        sticky.appended(first, 199, false);
        assert_eq!(sticky.current(&topic, &mut random), first);
        sticky.appended(first, 1, false);
        assert_ne!(sticky.current(&topic, &mut random), first);
    }

    #[test]
    fn bytes_for_a_partition_of_before_do_not_count() {
        let (topic, mut random) = (all(1000), Random::new(1));
        let mut sticky = Sticky::new(100);
        let first = sticky.current(&topic, &mut random);
        sticky.avoid(first);
        let second = sticky.current(&topic, &mut random);
        sticky.appended(first, 1000, true);
        assert_eq!(sticky.current(&topic, &mut random), second);
    }

    #[test]
    fn partitions_without_a_leader_are_avoided_unless_none_has_one() {
        let some = TopicPartitions::new([false, true, false, true]);
        let drawn = draws(&mut Sticky::new(1), &some, 1000);
        assert_eq!(drawn.keys().copied().collect::<Vec<_>>(), [PartitionId(1), PartitionId(3)]);
        let none = TopicPartitions::new([false, false, false]);
        assert_eq!(draws(&mut Sticky::new(1), &none, 1000).len(), 3);
    }

    #[test]
    fn a_longer_queue_gets_proportionally_less() {
        // Java's own example: queues of 0, 3 and 1 weigh 4, 1 and 3.
        let mut sticky = Sticky::new(1);
        sticky.set_load(PartitionLoad::new(&queues(&[0, 3, 1]), 3));
        let drawn = draws(&mut sticky, &all(3), 80_000);
        for (partition, weight) in [(0, 4), (1, 1), (2, 3)] {
            let count = drawn[&PartitionId(partition)];
            assert!(count.abs_diff(weight * 10_000) < 500, "partition {partition}: {count}");
        }
    }

    #[test]
    fn equal_queues_are_drawn_evenly_and_unavailable_partitions_not_at_all() {
        assert_eq!(PartitionLoad::new(&queues(&[2, 2, 2]), 3), None);
        assert_eq!(PartitionLoad::new(&queues(&[5]), 1), None);
        assert_eq!(PartitionLoad::new(&[], 3), None);
        let mut sticky = Sticky::new(1);
        sticky.set_load(PartitionLoad::new(&queues(&[2, 2]), 3));
        assert_eq!(draws(&mut sticky, &all(3), 1000).len(), 2);
    }

    #[test]
    fn one_seed_draws_one_sequence() {
        let draw = || {
            let mut random = Random::new(42);
            let mut sticky = Sticky::new(1);
            let mut next = || {
                let partition = sticky.current(&all(16), &mut random);
                sticky.avoid(partition);
                partition
            };
            (0..100).map(|_| next()).collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
    }

    #[test]
    fn the_least_backed_up_are_drawn_evenly_and_no_others() {
        let mut sticky = Sticky::new(1);
        sticky.set_load(PartitionLoad::least(&queues(&[2, 1, 3, 1])));
        let drawn = draws(&mut sticky, &all(4), 10_000);
        assert_eq!(drawn.keys().copied().collect::<Vec<_>>(), [PartitionId(1), PartitionId(3)]);
        assert!(drawn[&PartitionId(1)].abs_diff(5_000) < 250, "{drawn:?}");
        assert_eq!(PartitionLoad::least(&[]), None);
    }

    /// Made by hand as Java's `BuiltInPartitioner` makes its table of the partitions in its rack: of
    /// their queues alone, whose longest weighs 1.
    #[test]
    fn the_partitions_of_a_rack_are_weighed_by_their_own_longest_queue() {
        let near = [(PartitionId(0), 0), (PartitionId(2), 1), (PartitionId(4), 1)];
        let load = PartitionLoad::new(&near, 5).expect("not all partitions");
        assert_eq!(load.sums, [2, 3, 4]);
    }

    proptest::proptest! {
        #[test]
        fn what_is_drawn_is_available(lengths in proptest::collection::vec(0..u32::MAX, 1..40), seed: u64) {
            let queues = queues(&lengths);
            if let Some(load) = PartitionLoad::new(&queues, 41) {
                let mut random = Random::new(seed);
                for _ in 0..20 {
                    let drawn = load.draw(&mut random);
                    proptest::prop_assert!(queues.iter().any(|(id, _)| *id == drawn));
                }
            }
        }
    }
}
