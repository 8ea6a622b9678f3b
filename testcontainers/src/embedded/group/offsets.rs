//! The committed offsets of a group, and those that wait for a transaction to end, after Kafka's
//! `OffsetMetadataManager`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::embedded::state::TopicPartition;
use crate::embedded::track::TrackedCommit;

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    /// Who asked for it.
    pub(crate) client_id: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Offsets {
    committed: BTreeMap<TopicPartition, Written>,
    /// By producer id: what its transaction commits.
    pending: BTreeMap<i64, BTreeMap<TopicPartition, Written>>,
    written: u64,
}

/// A commit and its place among all of the group.
type Written = (u64, Committed);

impl Committed {
    pub(crate) fn tracked(
        self,
        at: Duration,
        group: &str,
        topic: String,
        partition: i32,
    ) -> TrackedCommit {
        TrackedCommit {
            at,
            group: group.to_owned(),
            topic,
            partition,
            offset: self.offset,
            client_id: self.client_id,
            connection: None,
        }
    }
}

impl Offsets {
    pub(crate) fn commit(&mut self, partition: TopicPartition, committed: Committed) {
        self.written += 1;
        self.committed.insert(partition, (self.written, committed));
    }

    pub(crate) fn commit_in(
        &mut self,
        producer_id: i64,
        partition: TopicPartition,
        committed: Committed,
    ) {
        self.written += 1;
        self.pending.entry(producer_id).or_default().insert(partition, (self.written, committed));
    }

    /// A transaction ended; gives what is committed by it. An offset that was committed outside of
    /// it since then stays.
    pub(crate) fn end(
        &mut self,
        producer_id: i64,
        committed: bool,
    ) -> Vec<(TopicPartition, Committed)> {
        let pending = self.pending.remove(&producer_id).filter(|_| committed).unwrap_or_default();
        let mut materialized = Vec::new();
        for (partition, written) in pending {
            if self.committed.get(&partition).is_none_or(|(last, _)| *last < written.0) {
                materialized.push((partition.clone(), written.1.clone()));
                self.committed.insert(partition, written);
            }
        }
        materialized
    }

    /// Drops what was committed for a topic.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        self.committed.retain(|(name, _), _| name != topic);
        self.pending.values_mut().for_each(|offsets| offsets.retain(|(name, _), _| name != topic));
    }

    pub(crate) fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.committed.get(&(topic.to_owned(), partition)).map(|(_, committed)| committed)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&TopicPartition, &Committed)> {
        self.committed.iter().map(|(partition, (_, committed))| (partition, committed))
    }

    /// A transaction that is still open has an offset for the partition.
    pub(crate) fn is_unstable(&self, topic: &str, partition: i32) -> bool {
        self.pending.values().any(|offsets| offsets.contains_key(&(topic.to_owned(), partition)))
    }
}
