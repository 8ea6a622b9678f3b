//! SyncGroup, key 14, versions 0 to 5.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use tokio::time::Instant;

use super::{Api, Call, owned};
use crate::embedded::group::classic::member::{Answer, SyncResult};
use crate::embedded::group::{Claim, Group};
use crate::embedded::state::GROUP_KEY;

/// From this version on request and reply name the protocol.
const NAMES_PROTOCOL: i16 = 5;

impl Api for SyncGroupRequest {
    const SERVED: (i16, i16) = (0, 5);

    fn coordinated(&self) -> Option<(i8, String)> {
        Some((GROUP_KEY, self.group_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<SyncGroupResponse> {
        let result = match sync(call, &self) {
            Ok(Answer::Now(result)) => result,
            Ok(Answer::Later(result)) => result.await.unwrap_or(Err(ResponseError::NotCoordinator)),
            Err(error) => Err(error),
        };
        call.shared.timers.notify_one();
        let response = SyncGroupResponse::default().with_throttle_time_ms(call.throttle_ms());
        Some(match result {
            Ok(assignment) if call.version() >= NAMES_PROTOCOL => {
                let state = call.lock();
                let group = state.groups.get(self.group_id.as_str());
                let named = match group.and_then(Group::classic) {
                    Some(group) => {
                        (Some(owned(group.protocol_type())), Some(owned(group.protocol())))
                    }
                    // A consumer group echoes what it was asked.
                    None => (self.protocol_type, self.protocol_name),
                };
                response
                    .with_assignment(assignment)
                    .with_protocol_type(named.0)
                    .with_protocol_name(named.1)
            }
            Ok(assignment) => response.with_assignment(assignment),
            Err(error) => response.with_error_code(error.code()),
        })
    }
}

fn sync(call: &Call, request: &SyncGroupRequest) -> Result<Answer<SyncResult>, ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    let mut state = call.lock();
    state.check_group(call.broker, &request.group_id)?;
    let (groups, cx) = state.groups_with(Instant::now());
    let group = groups.get_mut(request.group_id.as_str()).ok_or(ResponseError::UnknownMemberId)?;
    let assignments: BTreeMap<String, Bytes> = request
        .assignments
        .iter()
        .map(|one| (one.member_id.to_string(), one.assignment.clone()))
        .collect();
    let claim = Claim {
        member_id: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let protocol = (request.protocol_type.as_deref(), request.protocol_name.as_deref());
    Ok(group.sync(claim, protocol, &assignments, cx))
}
