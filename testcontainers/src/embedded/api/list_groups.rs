//! ListGroups, key 16, versions 0 to 5.

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{ListGroupsRequest, ListGroupsResponse};

use super::{Api, Call, owned};
use crate::embedded::state::GROUP_KEY;

/// From these versions on the state and the type of a group are told, and may be asked for.
const TELLS_STATE: i16 = 4;
const TELLS_TYPE: i16 = 5;

impl Api for ListGroupsRequest {
    const SERVED: (i16, i16) = (0, 5);

    async fn handle(self, call: &Call) -> Option<ListGroupsResponse> {
        let state = call.lock();
        let fits = |filter: &[kafka_protocol::protocol::StrBytes], is: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(is))
        };
        let mine = state
            .groups
            .iter()
            .filter(|(name, _)| state.coordinator(GROUP_KEY, name) == Some(call.broker));
        let wanted = mine.filter(|(_, group)| {
            fits(&self.states_filter, group.state_name())
                && fits(&self.types_filter, group.type_name())
        });
        let groups = wanted.map(|(name, group)| {
            let mut listed = ListedGroup::default()
                .with_group_id(owned(name).into())
                .with_protocol_type(owned(group.protocol_type()));
            if call.version() >= TELLS_STATE {
                listed = listed.with_group_state(owned(group.state_name()));
            }
            if call.version() >= TELLS_TYPE {
                listed.with_group_type(owned(group.type_name()))
            } else {
                listed
            }
        });
        let response = ListGroupsResponse::default()
            .with_error_code(call.injected_any().map_or(0, |error| error.code()))
            .with_groups(groups.collect());
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}
