//! Heartbeat, key 12, versions 0 to 4.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};
use tokio::time::Instant;

use super::{Api, Call};
use crate::embedded::group::Claim;
use crate::embedded::state::GROUP_KEY;

impl Api for HeartbeatRequest {
    const SERVED: (i16, i16) = (0, 4);

    fn coordinated(&self) -> Option<(i8, String)> {
        Some((GROUP_KEY, self.group_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<HeartbeatResponse> {
        let code = super::code(&beat(call, &self));
        Some(
            HeartbeatResponse::default()
                .with_error_code(code)
                .with_throttle_time_ms(call.throttle_ms()),
        )
    }
}

fn beat(call: &Call, request: &HeartbeatRequest) -> Result<(), ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    let claim = Claim {
        member_id: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let mut state = call.lock();
    // A group that is being loaded is presumed to have the member, as in Kafka.
    if state.check_group(call.broker, &request.group_id)
        == Err(ResponseError::CoordinatorLoadInProgress)
    {
        return Ok(());
    }
    state.check_group(call.broker, &request.group_id)?;
    let (groups, cx) = state.groups_with(Instant::now());
    let group = groups.get_mut(request.group_id.as_str()).ok_or(ResponseError::UnknownMemberId)?;
    group.heartbeat(claim, cx)
}
