//! OffsetForLeaderEpoch, key 23, versions 2 to 4.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::{Api, Call};
use crate::embedded::state::{State, TopicPartition};

impl Api for OffsetForLeaderEpochRequest {
    const SERVED: (i16, i16) = (2, 4);

    fn touches(&self, _state: &State, _broker: i32) -> Vec<TopicPartition> {
        let topics = self.topics.iter();
        topics
            .flat_map(|topic| {
                topic.partitions.iter().map(|one| (topic.topic.to_string(), one.partition))
            })
            .collect()
    }

    async fn handle(self, call: &Call) -> Option<OffsetForLeaderEpochResponse> {
        let mut state = call.lock();
        let topics = self.topics.iter().map(|topic| {
            let answer = |wanted: &OffsetForLeaderPartition| {
                let response = EpochEndOffset::default().with_partition(wanted.partition);
                match find(call, &mut state, &topic.topic, wanted) {
                    Ok(Some((epoch, end))) => {
                        response.with_leader_epoch(epoch).with_end_offset(end)
                    }
                    // An epoch before the first known: undefined.
                    Ok(None) => response.with_leader_epoch(-1).with_end_offset(-1),
                    Err(error) => response.with_error_code(error.code()),
                }
            };
            let partitions = topic.partitions.iter().map(answer).collect();
            OffsetForLeaderTopicResult::default()
                .with_topic(topic.topic.clone())
                .with_partitions(partitions)
        });
        let response = OffsetForLeaderEpochResponse::default().with_topics(topics.collect());
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn find(
    call: &Call,
    state: &mut State,
    topic: &str,
    wanted: &OffsetForLeaderPartition,
) -> Result<Option<(i32, i64)>, ResponseError> {
    if let Some(error) = call.injected(topic, wanted.partition) {
        return Err(error);
    }
    let partition = state.led_by(call.broker, topic, wanted.partition)?;
    State::check_epoch(partition, wanted.current_leader_epoch)?;
    Ok(partition
        .log
        .end_of_epoch(wanted.leader_epoch)
        .filter(|_| wanted.leader_epoch <= partition.leader_epoch))
}
