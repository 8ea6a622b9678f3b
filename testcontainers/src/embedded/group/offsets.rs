//! The committed offsets of a group, and those that wait for a transaction to end.

use std::collections::BTreeMap;

use crate::embedded::state::TopicPartition;

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Offsets {
    committed: BTreeMap<TopicPartition, Committed>,
    /// By producer id: what its transaction commits.
    pending: BTreeMap<i64, BTreeMap<TopicPartition, Committed>>,
}

impl Offsets {
    pub(crate) fn commit(&mut self, partition: TopicPartition, committed: Committed) {
        self.committed.insert(partition, committed);
    }

    pub(crate) fn commit_in(&mut self, producer_id: i64, partition: TopicPartition, committed: Committed) {
        self.pending.entry(producer_id).or_default().insert(partition, committed);
    }

    /// A transaction ended.
    pub(crate) fn end(&mut self, producer_id: i64, committed: bool) {
        let pending = self.pending.remove(&producer_id).unwrap_or_default();
        if committed {
            self.committed.extend(pending);
        }
    }

    /// Drops what was committed for a topic.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        self.committed.retain(|(name, _), _| name != topic);
    }

    pub(crate) fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.committed.get(&(topic.to_owned(), partition))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&TopicPartition, &Committed)> {
        self.committed.iter()
    }

    /// A transaction that is still open has an offset for the partition.
    pub(crate) fn is_unstable(&self, topic: &str, partition: i32) -> bool {
        self.pending.values().any(|offsets| offsets.contains_key(&(topic.to_owned(), partition)))
    }
}
