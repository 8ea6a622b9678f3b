//! Groups of consumers, of either protocol.

use std::collections::BTreeSet;

use super::super::{AclOperation, Admin, Outcomes, acls, check, keys, non_empty};
use super::classic::{CONSUMER, ClassicGroup};
use super::{GroupState, GroupType, coordinator};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{BrokerId, GroupId, PartitionId, TopicName, TopicPartition};
use crate::wire::messages::consumer_group_describe::{
    Assignment, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedGroup, Member,
};

/// A consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerGroup {
    /// The group's id.
    pub id: GroupId,
    /// The protocol of the group: classic or consumer (KIP-848).
    pub kind: GroupType,
    /// The coordinator.
    pub coordinator: Option<BrokerId>,
    /// The state of the group.
    pub state: GroupState,
    /// The assignor, such as `uniform`.
    pub assignor: Option<String>,
    /// The group epoch, incremented when members or subscriptions change; KIP-848 only.
    pub epoch: Option<i32>,
    /// The epoch of the target assignment; KIP-848 only.
    pub assignment_epoch: Option<i32>,
    /// The members.
    pub members: Vec<ConsumerGroupMember>,
    /// The operations the client may perform on the group, if the broker tells.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A member of a consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerGroupMember {
    /// The member's id.
    pub id: String,
    /// The member's `group.instance.id`, if it is static.
    pub instance_id: Option<String>,
    /// The member's `client.rack`, if the broker tells.
    pub rack: Option<String>,
    /// The member's `client.id`.
    pub client_id: String,
    /// The host the member connects from.
    pub host: String,
    /// The epoch the member has reached; KIP-848 only.
    pub epoch: Option<i32>,
    /// The topics the member subscribes to by name.
    pub topics: BTreeSet<TopicName>,
    /// The pattern the member subscribes to, if the broker matches it.
    pub pattern: Option<String>,
    /// The partitions assigned to the member.
    pub assignment: BTreeSet<TopicPartition>,
    /// The partitions in the member's target assignment; KIP-848 only.
    pub target_assignment: Option<BTreeSet<TopicPartition>>,
    /// Whether the member uses the classic protocol in a group of the consumer protocol, if the
    /// broker tells (4.0 and newer).
    pub is_classic: Option<bool>,
}

impl Admin {
    /// Describes consumer groups of the consumer protocol (KIP-848) and of the classic one.
    ///
    /// # Errors
    /// For a group: [`GROUP_ID_NOT_FOUND`](crate::ErrorCode::GROUP_ID_NOT_FOUND), also if its
    /// members are not consumers;
    /// [`GROUP_AUTHORIZATION_FAILED`](crate::ErrorCode::GROUP_AUTHORIZATION_FAILED).
    pub async fn describe_consumer_groups(
        &self,
        groups: impl IntoIterator<Item = impl Into<GroupId>>,
    ) -> Outcomes<GroupId, ConsumerGroup> {
        let this = self.begun();
        let groups = keys::<GroupId>(groups);
        let read = |_: &[_], response: &ConsumerGroupDescribeResponse<'_>| {
            Ok(response
                .groups
                .iter()
                .map(|group| (GroupId::from(group.group_id), self.consumer(group)))
                .collect())
        };
        let mut described = this
            .ask_each(
                &groups,
                coordinator,
                |share, _| ConsumerGroupDescribeRequest {
                    group_ids: share.iter().map(|(group, ())| group.as_str()).collect(),
                    include_authorized_operations: true,
                },
                read,
            )
            .await;
        let is_other = |error: &Error| {
            let unknown = [ErrorCode::GROUP_ID_NOT_FOUND, ErrorCode::UNSUPPORTED_VERSION];
            error.kind() == ErrorKind::Unsupported
                || error.code().is_some_and(|code| unknown.contains(&code))
        };
        let others = described.iter().filter(|(_, outcome)| outcome.as_ref().is_err_and(is_other));
        let others: Vec<GroupId> = others.map(|(group, _)| group.clone()).collect();
        if !others.is_empty() {
            let classic = this.describe_classic_groups(others).await;
            described
                .extend(classic.into_iter().map(|(id, group)| (id, group.and_then(from_classic))));
        }
        described
    }

    fn consumer(&self, group: &DescribedGroup<'_>) -> Result<ConsumerGroup> {
        check(group.error_code, group.error_message)?;
        let id = GroupId::from(group.group_id);
        Ok(ConsumerGroup {
            kind: GroupType::Consumer,
            coordinator: self.coordinator_of(&id),
            id,
            state: GroupState::from(group.group_state),
            assignor: non_empty(group.assignor_name),
            epoch: Some(group.group_epoch),
            assignment_epoch: Some(group.assignment_epoch),
            members: group.members.iter().map(member).collect(),
            authorized_operations: acls::operations(group.authorized_operations),
        })
    }
}

fn member(member: &Member<'_>) -> ConsumerGroupMember {
    ConsumerGroupMember {
        id: member.member_id.to_owned(),
        instance_id: member.instance_id.map(str::to_owned),
        rack: member.rack_id.map(str::to_owned),
        client_id: member.client_id.to_owned(),
        host: member.client_host.to_owned(),
        epoch: Some(member.member_epoch),
        topics: member.subscribed_topic_names.iter().map(TopicName::from).collect(),
        pattern: member.subscribed_topic_regex.and_then(non_empty),
        assignment: partitions(&member.assignment),
        target_assignment: Some(partitions(&member.target_assignment)),
        is_classic: (member.member_type >= 0).then_some(member.member_type == 0),
    }
}

fn partitions(assignment: &Assignment<'_>) -> BTreeSet<TopicPartition> {
    let topics = assignment.topic_partitions.iter();
    let of = |name, partitions: &[i32]| -> Vec<_> {
        partitions
            .iter()
            .map(|partition| TopicPartition::new(name, PartitionId(*partition)))
            .collect()
    };
    topics.flat_map(|topic| of(topic.topic_name, &topic.partitions)).collect()
}

fn from_classic(group: ClassicGroup) -> Result<ConsumerGroup> {
    if group.protocol_type.as_deref().is_some_and(|kind| kind != CONSUMER) {
        let message = format!("group {} is no group of consumers", group.id);
        return Err(Error::broker(ErrorCode::GROUP_ID_NOT_FOUND).with_context(message));
    }
    let members = group.members.into_iter().map(|member| ConsumerGroupMember {
        id: member.id,
        instance_id: member.instance_id,
        rack: None,
        client_id: member.client_id,
        host: member.host,
        epoch: None,
        topics: member.topics,
        pattern: None,
        assignment: member.assignment,
        target_assignment: None,
        is_classic: Some(true),
    });
    Ok(ConsumerGroup {
        id: group.id,
        kind: GroupType::Classic,
        coordinator: group.coordinator,
        state: group.state,
        assignor: group.protocol,
        epoch: None,
        assignment_epoch: None,
        members: members.collect(),
        authorized_operations: group.authorized_operations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_connect_workers_is_no_group_of_consumers() {
        let group = |protocol_type: Option<&str>| ClassicGroup {
            id: "g".into(),
            coordinator: None,
            state: GroupState::Stable,
            protocol_type: protocol_type.map(str::to_owned),
            protocol: None,
            members: Vec::new(),
            authorized_operations: None,
        };
        let error = from_classic(group(Some("connect"))).expect_err("other");
        assert_eq!(error.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND));
        assert_eq!(from_classic(group(None)).expect("only offsets").kind, GroupType::Classic);
    }
}
