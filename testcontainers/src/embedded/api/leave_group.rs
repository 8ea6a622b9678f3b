//! LeaveGroup, key 13, versions 0 to 5.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::{Api, Call};
use crate::embedded::state::GROUP_KEY;

/// From this version on several members leave at once (KIP-345).
const BATCHED: i16 = 3;

impl Api for LeaveGroupRequest {
    const SERVED: (i16, i16) = (0, 5);

    fn coordinated(&self) -> Option<(i8, String)> {
        Some((GROUP_KEY, self.group_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<LeaveGroupResponse> {
        let response = leave(call, &self);
        call.shared.timers.notify_one();
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn leave(call: &Call, request: &LeaveGroupRequest) -> LeaveGroupResponse {
    let failed = |error: ResponseError| LeaveGroupResponse::default().with_error_code(error.code());
    if let Some(error) = call.injected_any() {
        return failed(error);
    }
    let mut state = call.lock();
    if let Err(error) = state.check_group(call.broker, &request.group_id) {
        return failed(error);
    }
    let members: Vec<(String, Option<String>)> = if call.version() < BATCHED {
        vec![(request.member_id.to_string(), None)]
    } else {
        let named = request.members.iter().map(|member| {
            let instance = member.group_instance_id.as_ref().map(StrBytes::to_string);
            (member.member_id.to_string(), instance)
        });
        named.collect()
    };
    let (groups, cx) = state.groups_with(Instant::now());
    let results = match groups.get_mut(request.group_id.as_str()) {
        Some(group) => group.leave(&members, cx),
        None => vec![Err(ResponseError::UnknownMemberId); members.len()],
    };
    if call.version() < BATCHED {
        let code = results.first().map_or(0, super::code);
        return LeaveGroupResponse::default().with_error_code(code);
    }
    let members = request.members.iter().zip(&results).map(|(member, result)| {
        MemberResponse::default()
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
            .with_error_code(super::code(result))
    });
    LeaveGroupResponse::default().with_members(members.collect())
}
