//! ConsumerGroupHeartbeat, key 68, versions 0 and 1.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::{Api, Call, duration, owned};
use crate::embedded::group::beat;
use crate::embedded::group::consumer::heartbeat::Beaten;
use crate::embedded::group::consumer::member::{Owned, Partitions};
use crate::embedded::group::consumer::request::Beat;
use crate::embedded::state::GROUP_KEY;

/// No timeout is said.
const UNSAID: i32 = -1;

impl Api for ConsumerGroupHeartbeatRequest {
    const SERVED: (i16, i16) = (0, 1);

    fn coordinated(&self) -> Option<(i8, String)> {
        Some((GROUP_KEY, self.group_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<ConsumerGroupHeartbeatResponse> {
        let response = match serve(call, &self) {
            Ok(beaten) => respond(beaten),
            Err(error) => ConsumerGroupHeartbeatResponse::default()
                .with_error_code(error.code())
                .with_error_message(Some(owned(&error.to_string()))),
        };
        call.shared.timers.notify_one();
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn serve(call: &Call, request: &ConsumerGroupHeartbeatRequest) -> Result<Beaten, ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    let mut state = call.lock();
    if state.settings.group_version < 1 {
        return Err(ResponseError::UnsupportedVersion);
    }
    let read = read(call, request);
    read.check(call.version(), &request.group_id, &state.settings.consumer_groups)?;
    state.check_group(call.broker, &request.group_id)?;
    let fresh = state.random.uuid();
    let (groups, cx) = state.groups_with(Instant::now());
    beat(groups, &request.group_id, call.broker, &read, fresh, cx)
}

fn read(call: &Call, request: &ConsumerGroupHeartbeatRequest) -> Beat {
    let text = |text: &Option<StrBytes>| text.as_ref().map(StrBytes::to_string);
    let names = request.subscribed_topic_names.as_ref();
    let timeout = request.rebalance_timeout_ms;
    Beat {
        member_id: request.member_id.to_string(),
        epoch: request.member_epoch,
        instance: text(&request.instance_id),
        rack: text(&request.rack_id),
        rebalance_timeout: (timeout != UNSAID).then(|| duration(timeout)),
        names: names.map(|names| names.iter().map(|name| name.to_string()).collect()),
        regex: text(&request.subscribed_topic_regex),
        assignor: text(&request.server_assignor),
        owned: request.topic_partitions.as_ref().map(|topics| {
            let mut owned = Partitions::new();
            for topic in topics {
                owned.entry(topic.topic_id).or_default().extend(&topic.partitions);
            }
            owned
        }),
        client_id: call.client_id().to_owned(),
    }
}

fn respond(beaten: Beaten) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(StrBytes::from_string(beaten.member_id)))
        .with_member_epoch(beaten.epoch)
        .with_heartbeat_interval_ms(millis(beaten.interval))
        .with_assignment(beaten.assignment.map(assignment))
}

fn assignment(assigned: Owned) -> Assignment {
    let topics = assigned.into_iter().filter(|(_, partitions)| !partitions.is_empty());
    let topics = topics.map(|(topic, partitions)| {
        TopicPartitions::default()
            .with_topic_id(topic)
            .with_partitions(partitions.into_keys().collect())
    });
    Assignment::default().with_topic_partitions(topics.collect())
}

fn millis(interval: Duration) -> i32 {
    i32::try_from(interval.as_millis()).unwrap_or(i32::MAX)
}
