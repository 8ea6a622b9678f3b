//! ShareGroupHeartbeat, key 76, version 1.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::share_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::{Api, Call, owned};
use crate::embedded::group::consumer::member::Partitions;
use crate::embedded::group::share::{ShareBeat, ShareBeaten};
use crate::embedded::group::{Group, share_beat};
use crate::embedded::share::store::ShareKey;
use crate::embedded::state::{GROUP_KEY, State};

impl Api for ShareGroupHeartbeatRequest {
    const SERVED: (i16, i16) = (1, 1);

    fn coordinated(&self) -> Option<(i8, String)> {
        Some((GROUP_KEY, self.group_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<ShareGroupHeartbeatResponse> {
        let response = match serve(call, &self) {
            Ok(beaten) => respond(beaten),
            Err(error) => ShareGroupHeartbeatResponse::default()
                .with_error_code(error.code())
                .with_error_message(Some(owned(&error.to_string()))),
        };
        call.shared.timers.notify_one();
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn serve(call: &Call, request: &ShareGroupHeartbeatRequest) -> Result<ShareBeaten, ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    let mut state = call.lock();
    state.check_shares()?;
    let names = request.subscribed_topic_names.as_ref();
    let beat = ShareBeat {
        member_id: request.member_id.to_string(),
        epoch: request.member_epoch,
        rack: request.rack_id.as_ref().map(StrBytes::to_string),
        names: names.map(|names| names.iter().map(|name| name.to_string()).collect()),
        client_id: call.client_id().to_owned(),
    };
    beat.check(&request.group_id)?;
    state.check_group(call.broker, &request.group_id)?;
    let (groups, cx) = state.groups_with(Instant::now());
    let (beaten, begins, epoch) = share_beat(groups, &request.group_id, call.broker, &beat, cx)?;
    begin(&mut state, &request.group_id, &begins, epoch);
    Ok(beaten)
}

/// The share coordinator begins the state of partitions that are new to the group.
fn begin(state: &mut State, group: &str, begins: &Partitions, epoch: i32) {
    let mut begun = Partitions::new();
    for (topic, of) in begins {
        for partition in of {
            let key = ShareKey { group: group.to_owned(), topic: *topic, partition: *partition };
            if state.share_store.initialize(key, epoch, None).is_ok() {
                begun.entry(*topic).or_default().insert(*partition);
            }
        }
    }
    if let Some(group) = state.groups.get_mut(group).and_then(Group::share_mut) {
        group.initialize(&begun);
    }
}

fn respond(beaten: ShareBeaten) -> ShareGroupHeartbeatResponse {
    let interval = i32::try_from(beaten.interval.as_millis()).unwrap_or(i32::MAX);
    ShareGroupHeartbeatResponse::default()
        .with_member_id(Some(StrBytes::from_string(beaten.member_id)))
        .with_member_epoch(beaten.epoch)
        .with_heartbeat_interval_ms(interval)
        .with_assignment(beaten.assignment.map(assignment))
}

fn assignment(assigned: Partitions) -> Assignment {
    let topics = assigned.into_iter().map(|(topic, of)| {
        TopicPartitions::default().with_topic_id(topic).with_partitions(of.into_iter().collect())
    });
    Assignment::default().with_topic_partitions(topics.collect())
}
