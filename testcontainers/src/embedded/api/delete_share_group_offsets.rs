//! DeleteShareGroupOffsets, key 92, version 0.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_share_group_offsets_response::DeleteShareGroupOffsetsResponseTopic;
use kafka_protocol::messages::{DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse};

use super::{Api, Call, owned};
use crate::embedded::group::Group;
use crate::embedded::state::{GROUP_KEY, State};

impl Api for DeleteShareGroupOffsetsRequest {
    const SERVED: (i16, i16) = (0, 0);

    fn coordinated(&self) -> Option<(i8, String)> {
        Some((GROUP_KEY, self.group_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<DeleteShareGroupOffsetsResponse> {
        let response = DeleteShareGroupOffsetsResponse::default();
        let response = match delete(call, &mut call.lock(), &self) {
            Ok(topics) => response.with_responses(topics),
            Err(error) => response
                .with_error_code(error.code())
                .with_error_message(Some(owned(&error.to_string()))),
        };
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn delete(
    call: &Call,
    state: &mut State,
    request: &DeleteShareGroupOffsetsRequest,
) -> Result<Vec<DeleteShareGroupOffsetsResponseTopic>, ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    state.check_shares()?;
    state.check_group(call.broker, &request.group_id)?;
    let group = state.groups.get(request.group_id.as_str()).and_then(Group::share);
    if !group.ok_or(ResponseError::GroupIdNotFound)?.is_empty() {
        return Err(ResponseError::NonEmptyGroup);
    }
    let topics = request.topics.iter().map(|topic| {
        let id = state.topics.get(topic.topic_name.as_str()).map(|known| known.id);
        let response = DeleteShareGroupOffsetsResponseTopic::default()
            .with_topic_name(topic.topic_name.clone());
        let result = match id {
            Some(id) => state.forget_share_topic(&request.group_id, id),
            None => Err(ResponseError::UnknownTopicOrPartition),
        };
        match result {
            Ok(()) => response.with_topic_id(id.unwrap_or_default()),
            Err(error) => response
                .with_error_code(error.code())
                .with_error_message(Some(owned(&error.to_string()))),
        }
    });
    Ok(topics.collect())
}
