//! AlterShareGroupOffsets, key 91, version 0.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_share_group_offsets_request::AlterShareGroupOffsetsRequestTopic;
use kafka_protocol::messages::alter_share_group_offsets_response::{
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use kafka_protocol::messages::{AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse};

use super::{Api, Call, owned};
use crate::embedded::state::{GROUP_KEY, State};

impl Api for AlterShareGroupOffsetsRequest {
    const SERVED: (i16, i16) = (0, 0);

    fn coordinated(&self) -> Option<(i8, String)> {
        Some((GROUP_KEY, self.group_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<AlterShareGroupOffsetsResponse> {
        let response = AlterShareGroupOffsetsResponse::default();
        let response = match alter(call, &mut call.lock(), &self) {
            Ok(topics) => response.with_responses(topics),
            Err(error) => response
                .with_error_code(error.code())
                .with_error_message(Some(owned(&error.to_string()))),
        };
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn alter(
    call: &Call,
    state: &mut State,
    request: &AlterShareGroupOffsetsRequest,
) -> Result<Vec<AlterShareGroupOffsetsResponseTopic>, ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    state.check_shares()?;
    state.empty_share_group(call.broker, &request.group_id)?;
    Ok(request.topics.iter().map(|topic| set(state, &request.group_id, topic)).collect())
}

fn set(
    state: &mut State,
    group: &str,
    topic: &AlterShareGroupOffsetsRequestTopic,
) -> AlterShareGroupOffsetsResponseTopic {
    let name = topic.topic_name.to_string();
    let id = state.topics.get(&name).map(|known| known.id);
    let partitions = topic.partitions.iter().map(|one| {
        let is_there = state.partition(&name, one.partition_index).is_some();
        let result = match id.filter(|_| is_there) {
            Some(id) => state.set_share_start(group, id, one.partition_index, one.start_offset),
            None => Err(ResponseError::UnknownTopicOrPartition),
        };
        AlterShareGroupOffsetsResponsePartition::default()
            .with_partition_index(one.partition_index)
            .with_error_code(super::code(&result))
            .with_error_message(result.err().map(|error| owned(&error.to_string())))
    });
    let partitions = partitions.collect();
    AlterShareGroupOffsetsResponseTopic::default()
        .with_topic_name(topic.topic_name.clone())
        .with_topic_id(id.unwrap_or_default())
        .with_partitions(partitions)
}
