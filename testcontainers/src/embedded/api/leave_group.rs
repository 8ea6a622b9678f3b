//! LeaveGroup, key 13, versions 0 to 5.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use tokio::time::Instant;

use super::{Api, Call};
use crate::embedded::group::Group;
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
    let mut group = match state.known_group_at(call.broker, &request.group_id) {
        Ok(group) => group.and_then(Group::classic_mut),
        Err(error) => return failed(error),
    };
    let mut go = |id: &str, instance: Option<&str>| match &mut group {
        Some(group) => group.leave(id, instance, Instant::now()),
        None => Err(ResponseError::UnknownMemberId),
    };
    if call.version() < BATCHED {
        return LeaveGroupResponse::default()
            .with_error_code(super::code(&go(&request.member_id, None)));
    }
    let members = request.members.iter().map(|member| {
        let result = go(&member.member_id, member.group_instance_id.as_deref());
        MemberResponse::default()
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
            .with_error_code(super::code(&result))
    });
    LeaveGroupResponse::default().with_members(members.collect())
}
