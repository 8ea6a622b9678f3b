//! CreatePartitions, key 37, versions 0 to 3.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::{Api, Call};
use crate::embedded::state::State;

impl Api for CreatePartitionsRequest {
    const SERVED: (i16, i16) = (0, 3);

    async fn handle(self, call: &Call) -> Option<CreatePartitionsResponse> {
        let mut state = call.lock();
        let results = self.topics.iter().map(|topic| {
            let result = match call.injected_any() {
                Some(error) => Err(error),
                None => grow(&mut state, topic, self.validate_only),
            };
            CreatePartitionsTopicResult::default()
                .with_name(topic.name.clone())
                .with_error_code(super::code(&result))
        });
        let results = results.collect();
        drop(state);
        Some(
            CreatePartitionsResponse::default()
                .with_results(results)
                .with_throttle_time_ms(call.throttle_ms()),
        )
    }
}

/// Replicas that the request gives are not looked at; see `GAPS.md`.
fn grow(
    state: &mut State,
    topic: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), ResponseError> {
    let known =
        state.topics.get(topic.name.as_str()).ok_or(ResponseError::UnknownTopicOrPartition)?;
    if usize::try_from(topic.count).unwrap_or(0) <= known.partitions.len() {
        return Err(ResponseError::InvalidPartitions);
    }
    if validate_only { Ok(()) } else { state.grow_topic(&topic.name, topic.count) }
}
