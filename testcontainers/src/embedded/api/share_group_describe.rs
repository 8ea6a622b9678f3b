//! ShareGroupDescribe, key 77, version 1.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::share_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use kafka_protocol::messages::{GroupId, ShareGroupDescribeRequest, ShareGroupDescribeResponse};
use tokio::time::Instant;

use super::{Api, Call, owned};
use crate::embedded::group::Group;
use crate::embedded::group::consumer::Context;
use crate::embedded::group::consumer::member::Partitions;
use crate::embedded::group::share::ShareMember;
use crate::embedded::state::{GROUP_KEY, State};

impl Api for ShareGroupDescribeRequest {
    const SERVED: (i16, i16) = (1, 1);

    fn coordinated(&self) -> Option<(i8, String)> {
        self.group_ids.first().map(|group| (GROUP_KEY, group.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<ShareGroupDescribeResponse> {
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
        let response = ShareGroupDescribeResponse::default().with_groups(groups.collect());
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
    state.check_shares()?;
    state.check_group(call.broker, id)?;
    let (groups, cx) = state.groups_with(Instant::now());
    let group = groups.get(id.as_str()).and_then(Group::share);
    let group = group.ok_or(ResponseError::GroupIdNotFound)?;
    Ok(described
        .with_group_state(owned(group.state_name()))
        .with_group_epoch(group.epoch())
        .with_assignment_epoch(group.target_epoch())
        .with_assignor_name(owned("simple"))
        .with_members(group.members().map(|one| member(one, cx)).collect()))
}

fn member(member: &ShareMember, cx: Context<'_>) -> Member {
    Member::default()
        .with_member_id(owned(&member.id))
        .with_rack_id(member.rack.as_deref().map(owned))
        .with_member_epoch(member.epoch)
        .with_client_id(owned(&member.client_id))
        .with_client_host(owned("/127.0.0.1"))
        .with_subscribed_topic_names(member.names.iter().map(|name| owned(name).into()).collect())
        .with_assignment(assignment(&member.assigned, cx))
}

/// Topics that are gone are left out.
fn assignment(partitions: &Partitions, cx: Context<'_>) -> Assignment {
    let topics = partitions.iter().filter_map(|(topic, of)| {
        let name = cx.names.get(topic)?;
        let partitions = TopicPartitions::default().with_topic_id(*topic);
        let of = of.iter().copied().collect();
        Some(partitions.with_topic_name(owned(name).into()).with_partitions(of))
    });
    Assignment::default().with_topic_partitions(topics.collect())
}
