//! ListOffsets, key 2, versions 1 to 9.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::{Api, Call};
use crate::embedded::state::{State, TopicPartition};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const READ_COMMITTED: i8 = 1;

/// An offset, its time and the epoch it was written in.
type Found = (i64, i64, Option<i32>);

impl Api for ListOffsetsRequest {
    const SERVED: (i16, i16) = (1, 9);

    fn touches(&self, _state: &State, _broker: i32) -> Vec<TopicPartition> {
        let topics = self.topics.iter();
        topics
            .flat_map(|topic| {
                topic.partitions.iter().map(|one| (topic.name.to_string(), one.partition_index))
            })
            .collect()
    }

    async fn handle(self, call: &Call) -> Option<ListOffsetsResponse> {
        let mut state = call.lock();
        let committed_only = self.isolation_level == READ_COMMITTED;
        let topics = self.topics.into_iter().map(|topic| {
            let answer = |wanted: &ListOffsetsPartition| {
                let response = ListOffsetsPartitionResponse::default()
                    .with_partition_index(wanted.partition_index);
                match find(call, &mut state, &topic.name, wanted, committed_only) {
                    Ok((offset, timestamp, epoch)) => response
                        .with_offset(offset)
                        .with_timestamp(timestamp)
                        .with_leader_epoch(epoch.filter(|_| call.version() >= 4).unwrap_or(-1)),
                    Err(error) => {
                        response.with_error_code(error.code()).with_offset(-1).with_timestamp(-1)
                    }
                }
            };
            let partitions = topic.partitions.iter().map(answer).collect();
            ListOffsetsTopicResponse::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions)
        });
        let response = ListOffsetsResponse::default().with_topics(topics.collect());
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn find(
    call: &Call,
    state: &mut State,
    topic: &str,
    wanted: &ListOffsetsPartition,
    committed_only: bool,
) -> Result<Found, ResponseError> {
    if let Some(error) = call.injected(topic, wanted.partition_index) {
        return Err(error);
    }
    let partition = state.led_by(call.broker, topic, wanted.partition_index)?;
    State::check_epoch(partition, wanted.current_leader_epoch)?;
    let log = &partition.log;
    let end = if committed_only { log.last_stable_offset() } else { log.high_watermark() };
    match wanted.timestamp {
        LATEST => Ok((end, -1, Some(partition.leader_epoch))),
        EARLIEST | EARLIEST_LOCAL => Ok((log.start(), -1, log.epoch_at(log.start()))),
        LATEST_TIERED => Ok((-1, -1, None)),
        MAX_TIMESTAMP => Ok(with_epoch(partition.log.max_timestamp(), log)),
        time if time >= 0 => Ok(with_epoch(log.offset_for_time(time, end), log)),
        _ => Err(ResponseError::UnsupportedVersion),
    }
}

fn with_epoch(found: Option<(i64, i64)>, log: &crate::embedded::log::Log) -> Found {
    found.map_or((-1, -1, None), |(offset, timestamp)| (offset, timestamp, log.epoch_at(offset)))
}
