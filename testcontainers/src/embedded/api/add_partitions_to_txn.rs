//! AddPartitionsToTxn, key 24, versions 0 to 3: those that clients use.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use super::{Api, Call, fenced};
use crate::embedded::state::{State, TRANSACTION_KEY, TopicPartition};
use crate::embedded::transaction::Addition;

/// From this version on a fenced producer is told by its own code.
const TELLS_FENCED: i16 = 2;

impl Api for AddPartitionsToTxnRequest {
    const SERVED: (i16, i16) = (0, 3);

    fn touches(&self, _state: &State, _broker: i32) -> Vec<TopicPartition> {
        let topics = self.v3_and_below_topics.iter();
        topics.flat_map(|topic| topic.partitions.iter().map(|index| (topic.name.to_string(), *index))).collect()
    }

    fn coordinated(&self) -> Option<(i8, String)> {
        Some((TRANSACTION_KEY, self.v3_and_below_transactional_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<AddPartitionsToTxnResponse> {
        let mut state = call.lock();
        let is_known = |topic: &str, index: i32| state.partition(topic, index).is_some();
        let all_known = self.touches(&state, call.broker).iter().all(|(topic, index)| is_known(topic, *index));
        let topics = self.v3_and_below_topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|index| {
                let result = add(call, &mut state, &self, (topic.name.to_string(), *index), all_known);
                let result = result.map_err(|error| fenced(error, call.version() >= TELLS_FENCED));
                AddPartitionsToTxnPartitionResult::default()
                    .with_partition_index(*index)
                    .with_partition_error_code(super::code(&result))
            });
            let partitions = partitions.collect();
            AddPartitionsToTxnTopicResult::default().with_name(topic.name.clone()).with_results_by_partition(partitions)
        });
        let response = AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics.collect());
        drop(state);
        call.shared.timers.notify_one();
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

/// All are added or none.
fn add(
    call: &Call,
    state: &mut State,
    request: &AddPartitionsToTxnRequest,
    partition: TopicPartition,
    all_known: bool,
) -> Result<(), ResponseError> {
    if let Some(error) = call.injected(&partition.0, partition.1) {
        return Err(error);
    }
    let id = &request.v3_and_below_transactional_id;
    state.check_coordinator(call.broker, TRANSACTION_KEY, id)?;
    if state.partition(&partition.0, partition.1).is_none() {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    if !all_known {
        return Err(ResponseError::OperationNotAttempted);
    }
    let producer = (request.v3_and_below_producer_id.0, request.v3_and_below_producer_epoch);
    state.add_to_transaction(id, producer, Addition::Partition(partition))
}
