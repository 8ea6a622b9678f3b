//! Share groups, whose members take records from a partition together (KIP-932), and where they
//! start.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    AclOperation, Admin, Outcomes, acls, by_topic, check, keys, non_empty, non_negative,
};
use super::{GroupState, coordinator};
use crate::error::Result;
use crate::ids::{BrokerId, GroupId, LeaderEpoch, Offset, PartitionId, TopicName, TopicPartition};
use crate::wire::messages::alter_share_group_offsets::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsRequestPartition,
    AlterShareGroupOffsetsRequestTopic, AlterShareGroupOffsetsResponse,
};
use crate::wire::messages::delete_share_group_offsets::{
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsRequestTopic,
    DeleteShareGroupOffsetsResponse,
};
use crate::wire::messages::describe_share_group_offsets::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsResponse, DescribeShareGroupOffsetsResponseGroup,
    DescribeShareGroupOffsetsResponsePartition,
};
use crate::wire::messages::share_group_describe::{
    DescribedGroup, Member, ShareGroupDescribeRequest, ShareGroupDescribeResponse,
};

/// A share group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareGroup {
    /// The group's id.
    pub id: GroupId,
    /// The coordinator.
    pub coordinator: Option<BrokerId>,
    /// The state of the group.
    pub state: GroupState,
    /// The assignor.
    pub assignor: Option<String>,
    /// The group epoch, incremented when members or subscriptions change.
    pub epoch: i32,
    /// The epoch of the assignment.
    pub assignment_epoch: i32,
    /// The members.
    pub members: Vec<ShareGroupMember>,
    /// The operations the client may perform on the group.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A member of a share group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareGroupMember {
    /// The member's id.
    pub id: String,
    /// The member's `client.rack`.
    pub rack: Option<String>,
    /// The member's `client.id`.
    pub client_id: String,
    /// The host the member connects from.
    pub host: String,
    /// The epoch the member has reached.
    pub epoch: i32,
    /// The topics the member subscribes to.
    pub topics: BTreeSet<TopicName>,
    /// The partitions the member fetches from, which it shares with others.
    pub assignment: BTreeSet<TopicPartition>,
}

/// The offset of a share group in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareOffset {
    /// The first offset not yet fully processed (the share-partition start offset); `None` if the
    /// group has not begun.
    pub start: Option<Offset>,
    /// The epoch of the partition's leader at that time.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The number of records still to be processed, if the broker tells (4.2 and newer).
    pub lag: Option<i64>,
}

impl Admin {
    /// Describes share groups.
    ///
    /// # Errors
    /// For a group: [`GROUP_ID_NOT_FOUND`](crate::ErrorCode::GROUP_ID_NOT_FOUND), also if it is of
    /// another type; [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 4.1.
    pub async fn describe_share_groups(
        &self,
        groups: impl IntoIterator<Item = impl Into<GroupId>>,
    ) -> Outcomes<GroupId, ShareGroup> {
        let groups = keys::<GroupId>(groups);
        let read = |_: &[_], response: &ShareGroupDescribeResponse<'_>| {
            Ok(response
                .groups
                .iter()
                .map(|group| (GroupId::from(group.group_id), self.share(group)))
                .collect())
        };
        self.ask_each(
            &groups,
            coordinator,
            |share, _| ShareGroupDescribeRequest {
                group_ids: share.iter().map(|(group, ())| group.as_str()).collect(),
                include_authorized_operations: true,
            },
            read,
        )
        .await
    }

    fn share(&self, group: &DescribedGroup<'_>) -> Result<ShareGroup> {
        check(group.error_code, group.error_message)?;
        let id = GroupId::from(group.group_id);
        Ok(ShareGroup {
            coordinator: self.coordinator_of(&id),
            id,
            state: GroupState::from(group.group_state),
            assignor: non_empty(group.assignor_name),
            epoch: group.group_epoch,
            assignment_epoch: group.assignment_epoch,
            members: group.members.iter().map(member).collect(),
            authorized_operations: acls::operations(group.authorized_operations),
        })
    }

    /// Returns the offsets of share groups in all partitions they have begun.
    ///
    /// # Errors
    /// For a group: [`GROUP_ID_NOT_FOUND`](crate::ErrorCode::GROUP_ID_NOT_FOUND);
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 4.1. For a partition:
    /// the reason why its offset is not known.
    pub async fn list_share_group_offsets(
        &self,
        groups: impl IntoIterator<Item = impl Into<GroupId>>,
    ) -> Outcomes<GroupId, Outcomes<TopicPartition, ShareOffset>> {
        let groups = keys::<GroupId>(groups);
        let read = |_: &[_], response: &DescribeShareGroupOffsetsResponse<'_>| {
            Ok(response
                .groups
                .iter()
                .map(|group| (GroupId::from(group.group_id), offsets(group)))
                .collect())
        };
        self.ask_each(
            &groups,
            coordinator,
            |share, _| DescribeShareGroupOffsetsRequest {
                groups: share
                    .iter()
                    .map(|(group, ())| DescribeShareGroupOffsetsRequestGroup {
                        group_id: group,
                        topics: None,
                    })
                    .collect(),
            },
            read,
        )
        .await
    }

    /// Sets the start offsets of a share group without members.
    ///
    /// # Errors
    /// For a partition: [`NON_EMPTY_GROUP`](crate::ErrorCode::NON_EMPTY_GROUP),
    /// [`GROUP_ID_NOT_FOUND`](crate::ErrorCode::GROUP_ID_NOT_FOUND),
    /// [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 4.1.
    pub async fn alter_share_group_offsets(
        &self,
        group: impl Into<GroupId>,
        offsets: impl IntoIterator<Item = (TopicPartition, Offset)>,
    ) -> Outcomes<TopicPartition, ()> {
        let group = group.into();
        let offsets: BTreeMap<TopicPartition, Offset> = offsets.into_iter().collect();
        let read = |_: &[_], response: &AlterShareGroupOffsetsResponse<'_>| {
            check(response.error_code, response.error_message)?;
            let altered = response.responses.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let key = TopicPartition::new(
                        topic.topic_name,
                        PartitionId(partition.partition_index),
                    );
                    (key, check(partition.error_code, partition.error_message))
                })
            });
            Ok(altered.collect())
        };
        self.change_each(
            &offsets,
            |_| coordinator(&group),
            |share, _| AlterShareGroupOffsetsRequest {
                group_id: &group,
                topics: by_topic(share)
                    .map(|(topic_name, partitions)| AlterShareGroupOffsetsRequestTopic {
                        topic_name,
                        partitions: partitions
                            .into_iter()
                            .map(|(partition, offset)| AlterShareGroupOffsetsRequestPartition {
                                partition_index: partition.0,
                                start_offset: offset.0,
                            })
                            .collect(),
                    })
                    .collect(),
            },
            read,
        )
        .await
    }

    /// Deletes the offsets of topics of a share group without members.
    ///
    /// # Errors
    /// For a topic: [`NON_EMPTY_GROUP`](crate::ErrorCode::NON_EMPTY_GROUP),
    /// [`GROUP_ID_NOT_FOUND`](crate::ErrorCode::GROUP_ID_NOT_FOUND),
    /// [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 4.1.
    pub async fn delete_share_group_offsets(
        &self,
        group: impl Into<GroupId>,
        topics: impl IntoIterator<Item = impl Into<TopicName>>,
    ) -> Outcomes<TopicName, ()> {
        let group = group.into();
        let topics = keys::<TopicName>(topics);
        let read = |_: &[_], response: &DeleteShareGroupOffsetsResponse<'_>| {
            check(response.error_code, response.error_message)?;
            let deleted = response.responses.iter();
            Ok(deleted
                .map(|topic| {
                    (
                        TopicName::from(topic.topic_name),
                        check(topic.error_code, topic.error_message),
                    )
                })
                .collect())
        };
        self.change_each(
            &topics,
            |_| coordinator(&group),
            |share, _| DeleteShareGroupOffsetsRequest {
                group_id: &group,
                topics: share
                    .iter()
                    .map(|(topic_name, ())| DeleteShareGroupOffsetsRequestTopic { topic_name })
                    .collect(),
            },
            read,
        )
        .await
    }
}

fn member(member: &Member<'_>) -> ShareGroupMember {
    let assigned = member.assignment.topic_partitions.iter().flat_map(|topic| {
        topic
            .partitions
            .iter()
            .map(|partition| TopicPartition::new(topic.topic_name, PartitionId(*partition)))
    });
    ShareGroupMember {
        id: member.member_id.to_owned(),
        rack: member.rack_id.map(str::to_owned),
        client_id: member.client_id.to_owned(),
        host: member.client_host.to_owned(),
        epoch: member.member_epoch,
        topics: member.subscribed_topic_names.iter().map(TopicName::from).collect(),
        assignment: assigned.collect(),
    }
}

fn offsets(
    group: &DescribeShareGroupOffsetsResponseGroup<'_>,
) -> Result<Outcomes<TopicPartition, ShareOffset>> {
    check(group.error_code, group.error_message)?;
    let offsets = group.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| {
            let key = TopicPartition::new(topic.topic_name, PartitionId(partition.partition_index));
            (key, check(partition.error_code, partition.error_message).map(|()| offset(partition)))
        })
    });
    Ok(offsets.collect())
}

fn offset(partition: &DescribeShareGroupOffsetsResponsePartition<'_>) -> ShareOffset {
    ShareOffset {
        start: non_negative(partition.start_offset),
        leader_epoch: non_negative(partition.leader_epoch),
        lag: non_negative(partition.lag),
    }
}
