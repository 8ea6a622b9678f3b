//! The topics that a producer sends to, as its senders see them: snapshots that the sender task
//! alone replaces.
//!
//! ```text
//!  send ─▶ Topics (read) ─▶ Topic ─▶ Slot           sender task ─▶ Topics (change), when metadata changes
//! ```

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use super::partition::PartitionBatches;
use crate::clock::Random;
use crate::error::Error;
use crate::ids::{PartitionId, TopicName};
use crate::producer::config::ProducerConfig;
use crate::producer::partitioner::{PartitionLoad, Partitioner, Sticky, TopicPartitions};
use crate::producer::sender::TransactionNumber;
use crate::producer::transaction::over;
use crate::record::Record;

/// All topics of a producer, and whether it still takes records: a copy for each of some threads,
/// or those that send at the same time would pass the memory of one lock to and fro with every
/// record.
#[derive(Debug, Default)]
pub(in crate::producer) struct ProducerTopics([PerThread; COPIES]);

/// On lines of memory of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct PerThread(RwLock<Known>);

/// A power of two; with more threads, some share one (a guess).
const COPIES: usize = 8;

#[derive(Debug, Default)]
pub(in crate::producer) struct Known {
    pub(in crate::producer) topics:
        HashMap<TopicName, Result<Arc<ProducerTopic>, Error>, BuildHasherDefault<NameHasher>>,
    pub(in crate::producer) intake: Intake,
}

/// Which records are taken.
#[derive(Debug)]
pub(in crate::producer) enum Intake {
    /// Those of one transaction, or with 0 those outside of transactions.
    Open(TransactionNumber),
    /// None of this transaction any more, and why, until the next one begins.
    Closed(TransactionNumber, Error),
    /// None ever again.
    Ended(Error),
}

impl Default for Intake {
    fn default() -> Self {
        Self::Open(0)
    }
}

impl Known {
    /// Why a record of a transaction is not taken.
    #[inline]
    pub(in crate::producer) fn refusal(&self, transaction: TransactionNumber) -> Option<Error> {
        match &self.intake {
            Intake::Open(open) if *open == transaction => None,
            Intake::Closed(closed, error) if *closed == transaction => Some(error.clone()),
            Intake::Ended(error) => Some(error.clone()),
            Intake::Open(_) | Intake::Closed(..) => Some(over()),
        }
    }
}

/// A topic as metadata described it last.
#[derive(Debug)]
pub(in crate::producer) struct ProducerTopic {
    pub(in crate::producer) partitions: TopicPartitions,
    /// Those whose leader is in the client's rack, if that counts (KIP-1123).
    pub(in crate::producer) near: Vec<PartitionId>,
    /// In the order of the partitions.
    pub(in crate::producer) slots: Vec<Arc<PartitionBatches>>,
    pub(in crate::producer) unkeyed: Arc<Unkeyed>,
    /// `None`: Kafka's own way.
    pub(in crate::producer) partitioner: Option<Arc<dyn Partitioner>>,
}

/// Where the records of a topic go that have no key.
#[derive(Debug)]
pub(in crate::producer) struct Unkeyed {
    /// What `sticky` says, to be read without its lock; negative while it has not been asked.
    current: AtomicI32,
    sticky: Mutex<(Sticky, Random)>,
    spread: Spread,
}

/// By what the next partition is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    Even,
    /// The shorter its queue, the more probably (KIP-794).
    ByQueue,
    LeastBackup,
}

impl ProducerTopics {
    /// What this thread's copy says; nobody changes it while it is looked at.
    #[inline]
    pub(in crate::producer) fn read(&self) -> RwLockReadGuard<'_, Known> {
        let PerThread(known) = &self.0[thread_number() % COPIES];
        known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes all copies, one after the other. Whoever has looked at one as it was before has
    /// finished when this returns.
    pub(in crate::producer) fn change(&self, change: impl Fn(&mut Known)) {
        for PerThread(known) in &self.0 {
            change(&mut known.write().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Takes no more records. Whoever has begun to append one has finished when this returns.
    pub(in crate::producer) fn end(&self, error: &Error) {
        self.change(|known| {
            if !matches!(known.intake, Intake::Ended(_)) {
                known.intake = Intake::Ended(error.clone());
            }
        });
    }

    /// Takes records of a transaction that begins.
    pub(in crate::producer) fn open(&self, transaction: TransactionNumber) {
        self.change(|known| {
            if !matches!(known.intake, Intake::Ended(_)) {
                known.intake = Intake::Open(transaction);
            }
        });
    }

    /// Takes no more records of a transaction, as [`ProducerTopics::end`] of all.
    pub(in crate::producer) fn close(&self, transaction: TransactionNumber, error: &Error) {
        self.change(|known| {
            if matches!(known.intake, Intake::Open(open) | Intake::Closed(open, _) if open == transaction)
            {
                known.intake = Intake::Closed(transaction, error.clone());
            }
        });
    }
}

/// Numbers the threads that send, in the order in which they begin to.
#[inline]
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

impl ProducerTopic {
    /// The partition for a record, for which the user's partitioner has chosen one or not, and
    /// whether it was chosen for want of a key.
    #[inline]
    pub(in crate::producer) fn choose(
        &self,
        config: &ProducerConfig,
        record: &Record<'_>,
        chosen: Option<PartitionId>,
    ) -> (PartitionId, bool) {
        let of_key = || match (&self.partitioner, record.key) {
            (None, Some(key)) if !config.partitioner_ignore_keys => {
                Some(self.partitions.of_key(key))
            }
            _ => None,
        };
        match record.partition.or(chosen).or_else(of_key) {
            Some(partition) => (partition, false),
            None => (self.unkeyed_partition(), true),
        }
    }

    pub(in crate::producer) fn slot(
        &self,
        partition: PartitionId,
    ) -> Option<&Arc<PartitionBatches>> {
        self.slots.get(usize::try_from(partition.0).ok()?)
    }

    /// Sends records without a key elsewhere than to `from`, which has had so many bytes of them.
    pub(in crate::producer) fn move_on(&self, from: PartitionId, bytes: usize) {
        let mut sticky = self.unkeyed.sticky.lock().unwrap_or_else(PoisonError::into_inner);
        let (sticky, random) = &mut *sticky;
        if self.unkeyed.current.load(Ordering::Relaxed) != from.0 {
            return;
        }
        sticky.appended(from, bytes, true);
        self.draw(sticky, random);
    }

    /// Leaves the partition for records without a key if it has no leader, or one that takes
    /// nothing, and others have.
    pub(in crate::producer) fn avoid_unavailable(&self) {
        let current = PartitionId(self.unkeyed.current.load(Ordering::Relaxed));
        let has_leader = self.partitions.available().binary_search(&current).is_ok();
        let is_lost = !has_leader || self.is_stuck(&current);
        if current.0 >= 0 && is_lost && !self.usable().is_empty() {
            let mut sticky = self.unkeyed.sticky.lock().unwrap_or_else(PoisonError::into_inner);
            let (sticky, random) = &mut *sticky;
            sticky.avoid(current);
            self.draw(sticky, random);
        }
    }

    /// The partitions that have a leader, of those the ones whose leader takes something, and of
    /// those the ones that are near, if there are any.
    fn usable(&self) -> Cow<'_, [PartitionId]> {
        let available = self.partitions.available();
        let taking = among(available.into(), |id| !self.is_stuck(id));
        among(taking, |id| self.near.binary_search(id).is_ok())
    }

    fn is_stuck(&self, partition: &PartitionId) -> bool {
        self.unkeyed.spread != Spread::Even
            && self.slot(*partition).is_some_and(|slot| slot.is_stuck())
    }

    #[inline]
    pub(in crate::producer) fn unkeyed_partition(&self) -> PartitionId {
        let current = self.unkeyed.current.load(Ordering::Relaxed);
        if current >= 0 { PartitionId(current) } else { self.first_unkeyed_partition() }
    }

    #[cold]
    fn first_unkeyed_partition(&self) -> PartitionId {
        let mut sticky = self.unkeyed.sticky.lock().unwrap_or_else(PoisonError::into_inner);
        let (sticky, random) = &mut *sticky;
        self.draw(sticky, random)
    }

    fn draw(&self, sticky: &mut Sticky, random: &mut Random) -> PartitionId {
        let queued = |id: &PartitionId| match self.unkeyed.spread {
            Spread::Even => Some((*id, 0)),
            Spread::ByQueue | Spread::LeastBackup => Some((*id, self.slot(*id)?.queued())),
        };
        let queues: Vec<_> = self.usable().iter().filter_map(queued).collect();
        sticky.set_load(match self.unkeyed.spread {
            Spread::LeastBackup => PartitionLoad::least(&queues),
            Spread::Even | Spread::ByQueue => PartitionLoad::new(&queues, self.partitions.count()),
        });
        let next = sticky.current(&self.partitions, random);
        self.unkeyed.current.store(next.0, Ordering::Relaxed);
        next
    }
}

/// The partitions that are so, or all if none is.
fn among(
    partitions: Cow<'_, [PartitionId]>,
    are_so: impl Fn(&PartitionId) -> bool,
) -> Cow<'_, [PartitionId]> {
    let count = partitions.iter().filter(|id| are_so(id)).count();
    if count == 0 || count == partitions.len() {
        return partitions;
    }
    partitions.iter().copied().filter(are_so).collect()
}

impl Unkeyed {
    pub(in crate::producer) fn new(
        config: &ProducerConfig,
        partitioner: Option<&Arc<dyn Partitioner>>,
        random: Random,
    ) -> Self {
        let spread = match partitioner {
            Some(partitioner) if partitioner.prefers_least_backup() => Spread::LeastBackup,
            _ if config.partitioner_adaptive_partitioning_enable => Spread::ByQueue,
            _ => Spread::Even,
        };
        let sticky = Sticky::new(if spread == Spread::LeastBackup { 1 } else { config.batch_size });
        Self { current: AtomicI32::new(-1), sticky: Mutex::new((sticky, random)), spread }
    }

    /// Whether every new batch goes elsewhere, however few bytes the one before had.
    pub(in crate::producer) fn moves_with_every_batch(&self) -> bool {
        self.spread == Spread::LeastBackup
    }
}

/// A hash for topic names (FNV-1a, a word at a time): they are the application's own, few, and
/// looked up for every record.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::producer) struct NameHasher(u64);

impl Hasher for NameHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.0 = (self.0 ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME).rotate_left(23);
        }
        for byte in rest {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        // The table takes its tag from the highest bits and its place from the lowest.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::ids::TopicPartition;
    use crate::producer::sender::ready::PartitionIndex;

    /// A topic of partitions that have a leader or not, of which some are near.
    fn topic(has_leader: &[bool], near: &[i32], config: &ProducerConfig) -> ProducerTopic {
        let slot = |index: i32| {
            Arc::new(PartitionBatches::new(
                TopicPartition::new("t", index),
                PartitionIndex(index.cast_unsigned()),
                Arc::new(config.batch_limit()),
                false,
            ))
        };
        ProducerTopic {
            partitions: TopicPartitions::new(has_leader.iter().copied()),
            near: near.iter().copied().map(PartitionId).collect(),
            slots: (0..).take(has_leader.len()).map(slot).collect(),
            unkeyed: Arc::new(Unkeyed::new(config, None, Random::new(1))),
            partitioner: None,
        }
    }

    fn usable(topic: &ProducerTopic) -> Vec<i32> {
        topic.usable().iter().map(|partition| partition.0).collect()
    }

    #[test]
    fn what_has_a_leader_that_takes_something_and_is_near_is_used_in_this_order_of_importance() {
        let config = ProducerConfig::new();
        let topic = topic(&[true, true, true, false, true], &[0, 1, 3], &config);
        assert_eq!(usable(&topic), [0, 1]);
        topic.slots[0].set_stuck(true);
        assert_eq!(usable(&topic), [1]);
        topic.slots[1].set_stuck(true);
        assert_eq!(usable(&topic), [2, 4], "far, but they take something");
        topic.slots[2].set_stuck(true);
        topic.slots[4].set_stuck(true);
        assert_eq!(usable(&topic), [0, 1], "none takes anything");
    }

    #[test]
    fn brokers_that_take_nothing_are_not_avoided_where_partitioning_is_not_adaptive() {
        let config = ProducerConfig::new().partitioner_adaptive_partitioning_enable(false);
        let topic = topic(&[true, true, true], &[], &config);
        topic.slots[0].set_stuck(true);
        assert_eq!(usable(&topic), [0, 1, 2]);
    }

    #[test]
    fn every_thread_sees_a_change_whichever_copy_it_reads() {
        let topics = ProducerTopics::default();
        let ends = || topics.read().refusal(0).is_some();
        let seen = || {
            thread::scope(|scope| {
                (0..2 * COPIES)
                    .map(|_| scope.spawn(ends))
                    .map(|thread| thread.join().unwrap())
                    .collect()
            })
        };
        let before: Vec<_> = seen();
        topics.end(&Error::config("closed"));
        let after: Vec<_> = seen();
        assert_eq!((before, after), (vec![false; 2 * COPIES], vec![true; 2 * COPIES]));
    }
}
