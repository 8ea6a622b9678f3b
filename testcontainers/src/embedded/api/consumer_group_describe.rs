//! ConsumerGroupDescribe, key 69, versions 0 and 1.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId,
};
use tokio::time::Instant;

use super::{Api, Call, owned};
use crate::embedded::group::Group;
use crate::embedded::group::consumer::member::{ConsumerMember, Partitions};
use crate::embedded::group::consumer::{ConsumerGroup, Context};
use crate::embedded::state::{GROUP_KEY, State};

/// From this version on the protocol of a member is told.
const TELLS_TYPE: i16 = 1;
/// The protocols of members.
const CLASSIC: i8 = 0;
const CONSUMER: i8 = 1;

impl Api for ConsumerGroupDescribeRequest {
    const SERVED: (i16, i16) = (0, 1);

    fn coordinated(&self) -> Option<(i8, String)> {
        self.group_ids.first().map(|group| (GROUP_KEY, group.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<ConsumerGroupDescribeResponse> {
        let mut state = call.lock();
        let groups = self.group_ids.iter().map(|id| {
            let described = DescribedGroup::default().with_group_id(id.clone());
            match describe(call, &mut state, id, described.clone()) {
                Ok(described) => described,
                Err(error) => described
                    .with_error_code(error.code())
                    .with_error_message(Some(owned(&error.to_string()))),
            }
        });
        let response = ConsumerGroupDescribeResponse::default().with_groups(groups.collect());
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn describe(
    call: &Call,
    state: &mut State,
    id: &GroupId,
    described: DescribedGroup,
) -> Result<DescribedGroup, ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    if state.settings.group_version < 1 {
        return Err(ResponseError::UnsupportedVersion);
    }
    state.check_group(call.broker, id)?;
    let (groups, cx) = state.groups_with(Instant::now());
    let group = groups.get(id.as_str()).and_then(Group::consumer);
    let group = group.ok_or(ResponseError::GroupIdNotFound)?;
    let members = group.members().map(|one| member(group, one, call.version(), cx));
    Ok(described
        .with_group_state(owned(group.state_name()))
        .with_group_epoch(group.epoch())
        .with_assignment_epoch(group.target_epoch())
        .with_assignor_name(owned(group.assignor_name(cx)))
        .with_members(members.collect()))
}

fn member(group: &ConsumerGroup, member: &ConsumerMember, version: i16, cx: Context<'_>) -> Member {
    let described = Member::default()
        .with_member_id(owned(&member.id))
        .with_instance_id(member.instance.as_deref().map(owned))
        .with_rack_id(member.rack.as_deref().map(owned))
        .with_member_epoch(member.epoch)
        .with_client_id(owned(&member.client_id))
        .with_client_host(owned("/127.0.0.1"))
        .with_subscribed_topic_names(member.names.iter().map(|name| owned(name).into()).collect())
        .with_subscribed_topic_regex(Some(owned(&member.regex)))
        .with_assignment(assignment(member.held(), cx))
        .with_target_assignment(assignment(group.target(&member.id), cx));
    let kind = if member.classic.is_some() { CLASSIC } else { CONSUMER };
    if version >= TELLS_TYPE { described.with_member_type(kind) } else { described }
}

/// Topics that are gone are left out.
fn assignment(partitions: Partitions, cx: Context<'_>) -> Assignment {
    let topics = partitions.into_iter().filter_map(|(topic, of)| {
        let name = cx.names.get(&topic)?;
        let partitions = TopicPartitions::default().with_topic_id(topic);
        Some(
            partitions
                .with_topic_name(owned(name).into())
                .with_partitions(of.into_iter().collect()),
        )
    });
    Assignment::default().with_topic_partitions(topics.collect())
}
