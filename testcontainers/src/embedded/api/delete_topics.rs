//! DeleteTopics, key 20, versions 1 to 6.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

use super::{Api, Call, owned};
use crate::embedded::state::State;

/// From this version on topics may be named by id.
const BY_ID: i16 = 6;

impl Api for DeleteTopicsRequest {
    const SERVED: (i16, i16) = (1, 6);

    async fn handle(self, call: &Call) -> Option<DeleteTopicsResponse> {
        let mut state = call.lock();
        let by_name = self
            .topic_names
            .into_iter()
            .map(|name| DeleteTopicState::default().with_name(Some(name)));
        let wanted = by_name.chain(self.topics);
        let responses = wanted.map(|topic| delete(call, &mut state, topic)).collect();
        drop(state);
        call.shared.changed.notify_waiters();
        Some(
            DeleteTopicsResponse::default()
                .with_responses(responses)
                .with_throttle_time_ms(call.throttle_ms()),
        )
    }
}

fn delete(call: &Call, state: &mut State, topic: DeleteTopicState) -> DeletableTopicResult {
    let name = match topic.name {
        Some(name) => Some(name),
        None => state.topic_names.get(&topic.topic_id).map(|name| owned(name).into()),
    };
    let result = match (&name, call.injected_any()) {
        (_, Some(error)) => Err(error),
        (None, None) => Err(ResponseError::UnknownTopicId),
        (Some(name), None) => state.delete_topic(name),
    };
    let id = *result.as_ref().unwrap_or(&topic.topic_id);
    let response =
        DeletableTopicResult::default().with_name(name).with_error_code(super::code(&result));
    if call.version() >= BY_ID { response.with_topic_id(id) } else { response }
}
