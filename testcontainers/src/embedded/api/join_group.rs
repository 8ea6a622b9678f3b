//! JoinGroup, key 11, versions 0 to 9.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::{Api, Call, duration, owned};
use crate::embedded::group::classic::member::{Answer, JoinResult, Joined, Joiner, NotJoined};
use crate::embedded::state::GROUP_KEY;

/// From this version on a member without an id is given one, and joins again (KIP-394).
const KNOWS_IDS: i16 = 4;
/// From this version on the reply's protocol may be null.
const NULLABLE_PROTOCOL: i16 = 7;
/// From this version on a leader may be told to skip the assignment (KIP-814).
const CAN_SKIP: i16 = 9;

impl Api for JoinGroupRequest {
    const SERVED: (i16, i16) = (0, 9);

    fn coordinated(&self) -> Option<(i8, String)> {
        Some((GROUP_KEY, self.group_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<JoinGroupResponse> {
        let member_id = self.member_id.clone();
        let result = match join(call, self) {
            Ok(Answer::Now(result)) => result,
            Ok(Answer::Later(result)) => {
                call.shared.timers.notify_one();
                let lost = NotJoined {
                    error: ResponseError::NotCoordinator,
                    member_id: member_id.to_string(),
                };
                result.await.unwrap_or(Err(lost))
            }
            Err(error) => Err(NotJoined { error, member_id: member_id.to_string() }),
        };
        call.shared.timers.notify_one();
        Some(respond(call, result).with_throttle_time_ms(call.throttle_ms()))
    }
}

fn join(call: &Call, request: JoinGroupRequest) -> Result<Answer<JoinResult>, ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    let session_timeout = duration(request.session_timeout_ms);
    let mut state = call.lock();
    let settings = state.settings.clone();
    if session_timeout < settings.min_session_timeout
        || session_timeout > settings.max_session_timeout
    {
        return Err(ResponseError::InvalidSessionTimeout);
    }
    let fresh = state.random.uuid();
    state.group_at(call.broker, &request.group_id)?;
    let joiner = joiner(call, &request, session_timeout);
    let (groups, cx) = state.groups_with(Instant::now());
    let group = groups.entry(request.group_id.to_string()).or_default();
    Ok(group.join(joiner, fresh, settings.initial_rebalance_delay, cx))
}

fn joiner(call: &Call, request: &JoinGroupRequest, session_timeout: Duration) -> Joiner {
    let protocols =
        request.protocols.iter().map(|one| (one.name.to_string(), one.metadata.clone()));
    Joiner {
        member_id: request.member_id.to_string(),
        instance: request.group_instance_id.as_ref().map(StrBytes::to_string),
        client_id: call.client_id().to_owned(),
        session_timeout,
        // Version 0 has none: the session's counts.
        rebalance_timeout: if call.version() == 0 {
            session_timeout
        } else {
            duration(request.rebalance_timeout_ms)
        },
        protocol_type: request.protocol_type.to_string(),
        protocols: protocols.collect(),
        knows_ids: call.version() >= KNOWS_IDS,
        can_skip: call.version() >= CAN_SKIP,
    }
}

fn respond(call: &Call, result: JoinResult) -> JoinGroupResponse {
    let fallback = || (call.version() < NULLABLE_PROTOCOL).then(StrBytes::new);
    match result {
        Ok(joined) => joined_response(call, joined),
        Err(NotJoined { error, member_id }) => JoinGroupResponse::default()
            .with_error_code(error.code())
            .with_generation_id(-1)
            .with_protocol_name(fallback())
            .with_member_id(StrBytes::from_string(member_id)),
    }
}

fn joined_response(call: &Call, joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|(id, instance, metadata)| {
        JoinGroupResponseMember::default()
            .with_member_id(StrBytes::from_string(id))
            .with_group_instance_id(
                instance.filter(|_| call.version() >= 5).map(StrBytes::from_string),
            )
            .with_metadata(metadata)
    });
    let protocol_type = joined.protocol_type.filter(|_| call.version() >= NULLABLE_PROTOCOL);
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(protocol_type.map(StrBytes::from_string))
        .with_protocol_name(Some(owned(joined.protocol.as_deref().unwrap_or_default())))
        .with_leader(StrBytes::from_string(joined.leader))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(StrBytes::from_string(joined.member_id))
        .with_members(members.collect())
}
