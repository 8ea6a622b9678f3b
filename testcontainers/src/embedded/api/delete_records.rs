//! DeleteRecords, key 21, versions 0 to 2.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use super::{Api, Call};
use crate::embedded::state::{State, TopicPartition};

const TO_HIGH_WATERMARK: i64 = -1;

impl Api for DeleteRecordsRequest {
    const SERVED: (i16, i16) = (0, 2);

    fn touches(&self, _state: &State, _broker: i32) -> Vec<TopicPartition> {
        let topics = self.topics.iter();
        topics
            .flat_map(|topic| {
                topic.partitions.iter().map(|one| (topic.name.to_string(), one.partition_index))
            })
            .collect()
    }

    async fn handle(self, call: &Call) -> Option<DeleteRecordsResponse> {
        let mut state = call.lock();
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|one| {
                let result = delete(call, &mut state, &topic.name, one.partition_index, one.offset);
                DeleteRecordsPartitionResult::default()
                    .with_partition_index(one.partition_index)
                    .with_low_watermark(result.unwrap_or(-1))
                    .with_error_code(super::code(&result))
            });
            let partitions = partitions.collect();
            DeleteRecordsTopicResult::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions)
        });
        let response = DeleteRecordsResponse::default().with_topics(topics.collect());
        drop(state);
        call.shared.changed.notify_waiters();
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn delete(
    call: &Call,
    state: &mut State,
    topic: &str,
    index: i32,
    offset: i64,
) -> Result<i64, ResponseError> {
    if let Some(error) = call.injected(topic, index) {
        return Err(error);
    }
    let log = &mut state.led_by(call.broker, topic, index)?.log;
    let offset = if offset == TO_HIGH_WATERMARK { log.high_watermark() } else { offset };
    if offset < 0 || offset > log.high_watermark() {
        return Err(ResponseError::OffsetOutOfRange);
    }
    log.delete_below(offset);
    Ok(log.start())
}
