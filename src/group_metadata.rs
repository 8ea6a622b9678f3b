//! What consumers and transactions both say to the coordinator of a group: who speaks, and how far it
//! has come.

use crate::ids::{Generation, GroupId, LeaderEpoch, Offset};

/// Which member of which group speaks, as [`Consumer::group_metadata`](crate::Consumer::group_metadata)
/// returns it for [`Transaction::send_offsets`](crate::Transaction::send_offsets).
///
/// The group's coordinator accepts offsets only from a member of the group's present generation, so
/// that a member which the group has replaced cannot commit (KIP-447).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerGroupMetadata {
    /// The group (`group.id`).
    pub group_id: GroupId,
    /// The generation in which the consumer is a member; `None` if it is not one, as with
    /// partitions that were assigned by hand.
    pub generation: Option<Generation>,
    /// The id that the coordinator gave the member; empty if it is not one.
    pub member_id: String,
    /// The id of a static member (`group.instance.id`).
    pub group_instance_id: Option<String>,
}

impl ConsumerGroupMetadata {
    /// Creates the metadata of no member: the coordinator then checks nothing but the producer, and
    /// only one with the same `transactional.id` can be fenced.
    pub fn new(group_id: impl Into<GroupId>) -> Self {
        Self {
            group_id: group_id.into(),
            generation: None,
            member_id: String::new(),
            group_instance_id: None,
        }
    }
}

/// A committed offset, or an offset to commit, with the metadata that Kafka stores beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OffsetAndMetadata {
    /// The offset of the next record to consume, one past the last processed record.
    pub offset: Offset,
    /// The leader epoch of the last processed record. It lets a later consumer detect a truncated
    /// log (KIP-320).
    pub leader_epoch: Option<LeaderEpoch>,
    /// Any text, by default at most 4,096 bytes (the broker's `offset.metadata.max.bytes`).
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// Creates an offset without leader epoch and metadata.
    pub fn new(offset: impl Into<Offset>) -> Self {
        Self { offset: offset.into(), leader_epoch: None, metadata: String::new() }
    }

    /// Sets the leader epoch of the last processed record.
    #[must_use]
    pub fn leader_epoch(mut self, epoch: impl Into<LeaderEpoch>) -> Self {
        self.leader_epoch = Some(epoch.into());
        self
    }

    /// Sets the text that is stored with the offset.
    #[must_use]
    pub fn metadata(mut self, text: impl Into<String>) -> Self {
        self.metadata = text.into();
        self
    }
}

impl<T: Into<Offset>> From<T> for OffsetAndMetadata {
    fn from(offset: T) -> Self {
        Self::new(offset)
    }
}
