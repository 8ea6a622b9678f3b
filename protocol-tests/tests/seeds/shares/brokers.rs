//! What the brokers know of records.

use std::collections::BTreeMap;

use kavka::TopicPartition;
use kavka_testcontainers::embedded::{
    EmbeddedCluster, SharePartitionDescription, ShareRecord, ShareRecordState,
};

/// What the leader of a partition knows of it; nobody may have asked it yet.
pub(super) struct Standing(Option<SharePartitionDescription>);

/// The records of a partition that are not delivered any more, as that was written down.
pub(super) fn ends(
    embedded: &EmbeddedCluster,
    group: &str,
    partition: &TopicPartition,
) -> BTreeMap<i64, ShareRecord> {
    let ends = embedded.share_ends(group, &partition.topic, partition.partition.0);
    ends.into_iter().map(|end| (end.offset, end)).collect()
}

impl Standing {
    pub(super) fn of(embedded: &EmbeddedCluster, group: &str, partition: &TopicPartition) -> Self {
        Self(embedded.share_partition(group, &partition.topic, partition.partition.0))
    }

    /// Which of the times that a leader has read the state of the partition; what was not written
    /// down did not outlive another.
    pub(super) fn loaded(&self) -> Option<u64> {
        self.0.as_ref().map(|one| one.loaded)
    }

    pub(super) fn record(&self, offset: i64) -> Option<&ShareRecord> {
        self.records().iter().find(|one| one.offset == offset)
    }

    pub(super) fn records(&self) -> &[ShareRecord] {
        self.0.as_ref().map_or(&[], |one| &one.records)
    }
}

/// Whether a member has a record by the delivery of this count.
pub(super) fn is_with(record: &ShareRecord, member: &str, count: u16) -> bool {
    record.state == ShareRecordState::Acquired
        && record.member.as_deref() == Some(member)
        && record.delivery_count == i32::from(count)
}
