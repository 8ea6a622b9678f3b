//! Groups of Kafka Streams by their own protocol (KIP-1071).

use std::collections::{BTreeMap, BTreeSet};

use super::super::{AclOperation, Admin, Outcomes, acls, check, keys, non_empty};
use super::{GroupState, coordinator};
use crate::error::Result;
use crate::ids::{BrokerId, GroupId, PartitionId, TopicName};
use crate::wire::messages::streams_group_describe::{
    Assignment, DescribedGroup, Member, StreamsGroupDescribeRequest, StreamsGroupDescribeResponse,
    TaskIds,
};

/// A streams group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamsGroup {
    /// The group's id, which is the application id.
    pub id: GroupId,
    /// The coordinator.
    pub coordinator: Option<BrokerId>,
    /// The state of the group.
    pub state: GroupState,
    /// The group epoch, incremented when members or the topology change.
    pub epoch: i32,
    /// The epoch of the target assignment.
    pub assignment_epoch: i32,
    /// The epoch of the topology; `None` if there is none.
    pub topology_epoch: Option<i32>,
    /// The subtopologies.
    pub subtopologies: Vec<Subtopology>,
    /// The members.
    pub members: Vec<StreamsGroupMember>,
    /// The operations the client may perform on the group.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A subtopology: an independent part of a topology.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subtopology {
    /// The subtopology's id.
    pub id: String,
    /// The topics it reads.
    pub source_topics: Vec<TopicName>,
    /// The internal topics it writes for other subtopologies.
    pub repartition_sink_topics: Vec<TopicName>,
    /// The internal topics that store its state.
    pub state_changelog_topics: Vec<TopicName>,
    /// The internal topics it reads from other subtopologies.
    pub repartition_source_topics: Vec<TopicName>,
}

/// A member of a streams group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamsGroupMember {
    /// The member's id.
    pub id: String,
    /// The member's `group.instance.id`, if it is static.
    pub instance_id: Option<String>,
    /// The member's `client.rack`.
    pub rack: Option<String>,
    /// The member's `client.id`.
    pub client_id: String,
    /// The host the member connects from.
    pub host: String,
    /// The epoch the member has reached.
    pub epoch: i32,
    /// The epoch of the topology the member runs.
    pub topology_epoch: i32,
    /// The id of the member's process.
    pub process_id: String,
    /// The endpoint for queries of the member's state.
    pub user_endpoint: Option<(String, u16)>,
    /// The member's client tags (`client.tag.*`).
    pub client_tags: BTreeMap<String, String>,
    /// The tasks assigned to the member.
    pub assignment: StreamsTasks,
    /// The tasks in the member's target assignment.
    pub target_assignment: StreamsTasks,
    /// Whether the member uses the classic protocol.
    pub is_classic: bool,
}

/// Tasks, each a subtopology and a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamsTasks {
    /// The active tasks.
    pub active: BTreeSet<(String, PartitionId)>,
    /// The standby tasks, which replicate state in order to take over.
    pub standby: BTreeSet<(String, PartitionId)>,
    /// The warm-up tasks, which replicate state in order to become active soon.
    pub warmup: BTreeSet<(String, PartitionId)>,
}

impl Admin {
    /// Describes streams groups.
    ///
    /// # Errors
    /// For a group: [`GROUP_ID_NOT_FOUND`](crate::ErrorCode::GROUP_ID_NOT_FOUND), also if it is of
    /// another type; [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 4.2.
    pub async fn describe_streams_groups(
        &self,
        groups: impl IntoIterator<Item = impl Into<GroupId>>,
    ) -> Outcomes<GroupId, StreamsGroup> {
        let groups = keys::<GroupId>(groups);
        let read = |_: &[_], response: &StreamsGroupDescribeResponse<'_>| {
            Ok(response
                .groups
                .iter()
                .map(|group| (GroupId::from(group.group_id), self.streams(group)))
                .collect())
        };
        self.ask_each(
            &groups,
            coordinator,
            |share, _| StreamsGroupDescribeRequest {
                group_ids: share.iter().map(|(group, ())| group.as_str()).collect(),
                include_authorized_operations: true,
                ..StreamsGroupDescribeRequest::default()
            },
            read,
        )
        .await
    }

    fn streams(&self, group: &DescribedGroup<'_>) -> Result<StreamsGroup> {
        check(group.error_code, group.error_message)?;
        let id = GroupId::from(group.group_id);
        let subtopologies =
            group.topology.iter().flat_map(|topology| topology.subtopologies.iter().flatten());
        let subtopologies = subtopologies.map(|part| Subtopology {
            id: part.subtopology_id.to_owned(),
            source_topics: part.source_topics.iter().map(TopicName::from).collect(),
            repartition_sink_topics: part
                .repartition_sink_topics
                .iter()
                .map(TopicName::from)
                .collect(),
            state_changelog_topics: part
                .state_changelog_topics
                .iter()
                .map(|topic| topic.name.into())
                .collect(),
            repartition_source_topics: part
                .repartition_source_topics
                .iter()
                .map(|topic| topic.name.into())
                .collect(),
        });
        Ok(StreamsGroup {
            coordinator: self.coordinator_of(&id),
            id,
            state: GroupState::from(group.group_state),
            epoch: group.group_epoch,
            assignment_epoch: group.assignment_epoch,
            topology_epoch: group.topology.as_ref().map(|topology| topology.epoch),
            subtopologies: subtopologies.collect(),
            members: group.members.iter().map(member).collect(),
            authorized_operations: acls::operations(group.authorized_operations),
        })
    }
}

fn member(member: &Member<'_>) -> StreamsGroupMember {
    let tags = member.client_tags.iter().map(|tag| (tag.key.to_owned(), tag.value.to_owned()));
    StreamsGroupMember {
        id: member.member_id.to_owned(),
        instance_id: member.instance_id.map(str::to_owned),
        rack: member.rack_id.and_then(non_empty),
        client_id: member.client_id.to_owned(),
        host: member.client_host.to_owned(),
        epoch: member.member_epoch,
        topology_epoch: member.topology_epoch,
        process_id: member.process_id.to_owned(),
        user_endpoint: member
            .user_endpoint
            .as_ref()
            .map(|endpoint| (endpoint.host.to_owned(), endpoint.port)),
        client_tags: tags.collect(),
        assignment: tasks(&member.assignment),
        target_assignment: tasks(&member.target_assignment),
        is_classic: member.is_classic,
    }
}

fn tasks(assignment: &Assignment<'_>) -> StreamsTasks {
    let of = |tasks: &[TaskIds<'_>]| {
        let ids = tasks.iter().flat_map(|task| {
            task.partitions
                .iter()
                .map(|partition| (task.subtopology_id.to_owned(), PartitionId(*partition)))
        });
        ids.collect()
    };
    StreamsTasks {
        active: of(&assignment.active_tasks),
        standby: of(&assignment.standby_tasks),
        warmup: of(&assignment.warmup_tasks),
    }
}
