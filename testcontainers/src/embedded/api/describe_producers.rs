//! DescribeProducers, key 61, version 0.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};

use super::{Api, Call};
use crate::embedded::log::producers::PartitionProducer;
use crate::embedded::state::{State, TopicPartition};

impl Api for DescribeProducersRequest {
    const SERVED: (i16, i16) = (0, 0);

    fn touches(&self, _state: &State, _broker: i32) -> Vec<TopicPartition> {
        let topics = self.topics.iter();
        topics
            .flat_map(|topic| {
                topic.partition_indexes.iter().map(|index| (topic.name.to_string(), *index))
            })
            .collect()
    }

    async fn handle(self, call: &Call) -> Option<DescribeProducersResponse> {
        let mut state = call.lock();
        let topics = self.topics.into_iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| {
                let response = PartitionResponse::default()
                    .with_partition_index(*index)
                    .with_error_message(None);
                match describe(call, &mut state, &topic.name, *index) {
                    Ok(producers) => {
                        response.with_active_producers(producers.into_iter().map(entry).collect())
                    }
                    Err(error) => response.with_error_code(error.code()),
                }
            });
            let partitions = partitions.collect();
            TopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions)
        });
        let response = DescribeProducersResponse::default().with_topics(topics.collect());
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn describe(
    call: &Call,
    state: &mut State,
    topic: &str,
    index: i32,
) -> Result<Vec<PartitionProducer>, ResponseError> {
    match call.injected(topic, index) {
        Some(error) => Err(error),
        None => Ok(state.led_by(call.broker, topic, index)?.log.producers.describe()),
    }
}

fn entry(producer: PartitionProducer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.producer_id))
        .with_producer_epoch(producer.producer_epoch.into())
        .with_last_sequence(producer.last_sequence)
        .with_last_timestamp(producer.last_timestamp)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(producer.transaction_start.unwrap_or(-1))
}
