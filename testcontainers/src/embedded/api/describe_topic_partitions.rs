//! DescribeTopicPartitions, key 75, version 0: topics by name, so many partitions at a time
//! (KIP-966).

use std::collections::BTreeSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
};

use super::{Api, Call, owned};
use crate::embedded::state::State;

/// `max.request.partition.size.limit`.
const LIMIT: i32 = 2000;

impl Api for DescribeTopicPartitionsRequest {
    const SERVED: (i16, i16) = (0, 0);

    async fn handle(self, call: &Call) -> Option<DescribeTopicPartitionsResponse> {
        let state = call.lock();
        let mut names: BTreeSet<String> = match self.topics.is_empty() {
            true => state.topics.keys().cloned().collect(),
            false => self.topics.iter().map(|topic| topic.name.to_string()).collect(),
        };
        let start =
            self.cursor.map(|cursor| (cursor.topic_name.to_string(), cursor.partition_index));
        if let Some((topic, _)) = &start {
            names = names.split_off(topic);
        }
        let mut room = self.response_partition_limit.clamp(1, LIMIT);
        let (mut topics, mut next) = (Vec::new(), None);
        for name in names {
            let first = start
                .as_ref()
                .filter(|(topic, _)| *topic == name)
                .map_or(0, |(_, partition)| *partition);
            if room == 0 {
                next = Some(
                    Cursor::default()
                        .with_topic_name(topic_name(&name))
                        .with_partition_index(first),
                );
                break;
            }
            let (topic, rest) = describe(&state, &name, first, room);
            room -= i32::try_from(topic.partitions.len()).unwrap_or(room);
            topics.push(topic);
            if let Some(partition) = rest {
                next = Some(
                    Cursor::default()
                        .with_topic_name(topic_name(&name))
                        .with_partition_index(partition),
                );
                break;
            }
        }
        let response =
            DescribeTopicPartitionsResponse::default().with_topics(topics).with_next_cursor(next);
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn topic_name(name: &str) -> TopicName {
    TopicName(owned(name))
}

/// The partitions from `first` on for which there is room, and the first for which there is none.
fn describe(
    state: &State,
    name: &str,
    first: i32,
    room: i32,
) -> (DescribeTopicPartitionsResponseTopic, Option<i32>) {
    let described =
        DescribeTopicPartitionsResponseTopic::default().with_name(Some(topic_name(name)));
    let Some(topic) = state.topics.get(name) else {
        return (described.with_error_code(ResponseError::UnknownTopicOrPartition.code()), None);
    };
    let brokers = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
    let end = first.saturating_add(room);
    let shown = (0_i32..).zip(&topic.partitions).filter(|(index, _)| (first..end).contains(index));
    let partitions = shown.map(|(index, partition)| {
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(partition.leader.unwrap_or(-1)))
            .with_leader_epoch(partition.leader_epoch)
            .with_replica_nodes(brokers(&partition.replicas))
            .with_isr_nodes(state.in_sync(partition).into_iter().map(BrokerId).collect())
    });
    let described = described
        .with_topic_id(topic.id)
        .with_is_internal(name.starts_with("__"))
        .with_partitions(partitions.collect());
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    (described, (count > end).then_some(end))
}
