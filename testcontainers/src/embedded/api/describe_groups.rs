//! DescribeGroups, key 15, versions 0 to 6.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};

use super::{Api, Call, owned};
use crate::embedded::group::Group;
use crate::embedded::group::classic::ClassicGroup;
use crate::embedded::group::classic::member::Member;
use crate::embedded::state::{GROUP_KEY, State};

/// From this version on an unknown group is an error and not a dead group.
const ERROR_FOR_UNKNOWN: i16 = 6;
/// From this version on static members show.
const SHOWS_INSTANCE: i16 = 4;

impl Api for DescribeGroupsRequest {
    const SERVED: (i16, i16) = (0, 6);

    fn coordinated(&self) -> Option<(i8, String)> {
        self.groups.first().map(|group| (GROUP_KEY, group.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<DescribeGroupsResponse> {
        let mut state = call.lock();
        let groups = self.groups.iter().map(|id| describe(call, &mut state, id));
        let response = DescribeGroupsResponse::default().with_groups(groups.collect());
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn describe(call: &Call, state: &mut State, id: &GroupId) -> DescribedGroup {
    let response = DescribedGroup::default().with_group_id(id.clone());
    let group = match call.injected_any() {
        Some(error) => Err(error),
        None => {
            state.known_group_at(call.broker, id).map(|group| group.and_then(Group::classic_mut))
        }
    };
    match group {
        Err(error) => response.with_error_code(error.code()),
        Ok(Some(group)) => response
            .with_group_state(owned(group.state_name()))
            .with_protocol_type(owned(group.protocol_type()))
            .with_protocol_data(owned(group.protocol()))
            .with_members(members(group, call.version() >= SHOWS_INSTANCE)),
        Ok(None) if call.version() >= ERROR_FOR_UNKNOWN => response
            .with_error_code(ResponseError::GroupIdNotFound.code())
            .with_group_state(owned("Dead")),
        Ok(None) => response.with_group_state(owned("Dead")),
    }
}

fn members(group: &ClassicGroup, with_instance: bool) -> Vec<DescribedGroupMember> {
    let describe = |member: &Member| {
        DescribedGroupMember::default()
            .with_member_id(owned(&member.id))
            .with_group_instance_id(member.instance.as_deref().filter(|_| with_instance).map(owned))
            .with_client_id(owned(&member.client_id))
            .with_client_host(owned("/127.0.0.1"))
            .with_member_metadata(member.metadata(group.protocol()))
            .with_member_assignment(member.assignment.clone())
    };
    group.members().map(describe).collect()
}
