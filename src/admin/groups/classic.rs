//! Classic groups: of consumers by JoinGroup, of Connect workers, of whatever joins so.

use std::collections::BTreeSet;

use super::super::{AclOperation, Admin, Outcomes, acls, check, keys, non_empty};
use super::{GroupState, coordinator};
use crate::error::{Error, ErrorCode, Result};
use crate::ids::{BrokerId, GroupId, PartitionId, TopicName, TopicPartition};
use crate::wire::call::decode_data;
use crate::wire::messages::consumer_protocol_assignment::ConsumerProtocolAssignment;
use crate::wire::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;
use crate::wire::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};

/// What the members of a group that consumes say that they do.
pub(super) const CONSUMER: &str = "consumer";

/// A classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassicGroup {
    /// The group's id.
    pub id: GroupId,
    /// The coordinator.
    pub coordinator: Option<BrokerId>,
    /// The state of the group.
    pub state: GroupState,
    /// The protocol type, such as `consumer` or `connect`; `None` if the group has only committed
    /// offsets.
    pub protocol_type: Option<String>,
    /// The assignment protocol, such as `range`.
    pub protocol: Option<String>,
    /// The members.
    pub members: Vec<ClassicMember>,
    /// The operations the client may perform on the group, if the broker tells (2.3 and newer).
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A member of a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassicMember {
    /// The member's id.
    pub id: String,
    /// The member's `group.instance.id`, if it is static.
    pub instance_id: Option<String>,
    /// The member's `client.id`.
    pub client_id: String,
    /// The host the member connects from.
    pub host: String,
    /// The topics the member subscribes to, if it is a consumer and the group is stable.
    pub topics: BTreeSet<TopicName>,
    /// The partitions assigned to the member, if it is a consumer and the group is stable.
    pub assignment: BTreeSet<TopicPartition>,
}

impl Admin {
    /// Describes classic groups.
    ///
    /// # Errors
    /// For a group: [`GROUP_ID_NOT_FOUND`](crate::ErrorCode::GROUP_ID_NOT_FOUND), also if it is of
    /// another type; [`GROUP_AUTHORIZATION_FAILED`](crate::ErrorCode::GROUP_AUTHORIZATION_FAILED).
    pub async fn describe_classic_groups(
        &self,
        groups: impl IntoIterator<Item = impl Into<GroupId>>,
    ) -> Outcomes<GroupId, ClassicGroup> {
        let groups = keys::<GroupId>(groups);
        let read = |_: &[_], response: &DescribeGroupsResponse<'_>| {
            Ok(response
                .groups
                .iter()
                .map(|group| (GroupId::from(group.group_id), self.classic(group)))
                .collect())
        };
        self.ask_each(
            &groups,
            coordinator,
            |share, version| DescribeGroupsRequest {
                groups: share.iter().map(|(group, ())| group.as_str()).collect(),
                include_authorized_operations: version >= 3,
            },
            read,
        )
        .await
    }

    fn classic(&self, group: &DescribedGroup<'_>) -> Result<ClassicGroup> {
        check(group.error_code, group.error_message)?;
        let state = GroupState::from(group.group_state);
        if state == GroupState::Dead {
            // Before version 6 this is how a group that does not exist is described.
            return Err(Error::broker(ErrorCode::GROUP_ID_NOT_FOUND));
        }
        let id = GroupId::from(group.group_id);
        Ok(ClassicGroup {
            coordinator: self.coordinator_of(&id),
            id,
            state,
            protocol_type: non_empty(group.protocol_type),
            protocol: non_empty(group.protocol_data),
            members: group.members.iter().map(|found| member(found, group.protocol_type)).collect(),
            authorized_operations: acls::operations(group.authorized_operations),
        })
    }
}

/// What a member says in bytes of its own is passed over if it cannot be read: it is the member's
/// business, not the broker's.
fn member(member: &DescribedGroupMember<'_>, protocol_type: &str) -> ClassicMember {
    let is_consumer = protocol_type == CONSUMER;
    let assignment =
        Some(member.member_assignment).filter(|bytes| is_consumer && !bytes.is_empty());
    let assignment = assignment
        .and_then(|bytes| decode_data::<ConsumerProtocolAssignment<'_>>(bytes).ok())
        .unwrap_or_default();
    let subscription =
        Some(member.member_metadata).filter(|bytes| is_consumer && !bytes.is_empty());
    let subscription =
        subscription.and_then(|bytes| decode_data::<ConsumerProtocolSubscription<'_>>(bytes).ok());
    let partitions = assignment.assigned_partitions.iter().flat_map(|topic| {
        topic
            .partitions
            .iter()
            .map(|partition| TopicPartition::new(topic.topic, PartitionId(*partition)))
    });
    ClassicMember {
        id: member.member_id.to_owned(),
        instance_id: member.group_instance_id.map(str::to_owned),
        client_id: member.client_id.to_owned(),
        host: member.client_host.to_owned(),
        topics: subscription.unwrap_or_default().topics.into_iter().map(TopicName::from).collect(),
        assignment: partitions.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::call::encode_data;
    use crate::wire::messages::consumer_protocol_assignment::TopicPartition as Assigned;

    #[test]
    fn the_assignment_of_a_consumer_is_read_and_that_of_others_is_not() {
        let assigned = Assigned { topic: "t", partitions: vec![1, 0] };
        let assignment =
            ConsumerProtocolAssignment { assigned_partitions: vec![assigned], user_data: None };
        let bytes = encode_data(&assignment, 1).expect("short");
        let described =
            DescribedGroupMember { member_assignment: &bytes, ..DescribedGroupMember::default() };
        let expected = BTreeSet::from([TopicPartition::new("t", 0), TopicPartition::new("t", 1)]);
        assert_eq!(member(&described, "consumer").assignment, expected);
        assert_eq!(member(&described, "connect").assignment, BTreeSet::new());
        let broken = DescribedGroupMember {
            member_assignment: &bytes[..3],
            ..DescribedGroupMember::default()
        };
        assert_eq!(member(&broken, "consumer").assignment, BTreeSet::new());
    }
}
