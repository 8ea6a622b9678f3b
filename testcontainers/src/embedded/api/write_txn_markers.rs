//! WriteTxnMarkers, key 27, version 1: between brokers, and for an admin who ends a transaction
//! that hangs (KIP-664).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use kafka_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use kafka_protocol::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};

use super::{Api, Call};
use crate::embedded::state::{State, TopicPartition};
use crate::embedded::transaction::{Marker, OFFSETS_TOPIC};

impl Api for WriteTxnMarkersRequest {
    const SERVED: (i16, i16) = (1, 1);

    fn touches(&self, _state: &State, _broker: i32) -> Vec<TopicPartition> {
        let topics = self.markers.iter().flat_map(|marker| &marker.topics);
        topics
            .flat_map(|topic| {
                topic.partition_indexes.iter().map(|index| (topic.name.to_string(), *index))
            })
            .collect()
    }

    async fn handle(self, call: &Call) -> Option<WriteTxnMarkersResponse> {
        let mut state = call.lock();
        let markers = self.markers.iter().map(|asked| {
            let topics = asked.topics.iter().map(|topic| write(call, &mut state, asked, topic));
            let topics = topics.collect();
            WritableTxnMarkerResult::default()
                .with_producer_id(asked.producer_id)
                .with_topics(topics)
        });
        let response = WriteTxnMarkersResponse::default().with_markers(markers.collect());
        drop(state);
        call.shared.wake();
        Some(response)
    }
}

fn write(
    call: &Call,
    state: &mut State,
    asked: &WritableTxnMarker,
    topic: &WritableTxnMarkerTopic,
) -> WritableTxnMarkerTopicResult {
    let marker = Marker {
        producer_id: asked.producer_id.0,
        epoch: asked.producer_epoch,
        committed: asked.transaction_result,
        coordinator_epoch: asked.coordinator_epoch,
        version: 0,
    };
    let partitions = topic.partition_indexes.iter().map(|index| {
        let partition = (topic.name.to_string(), *index);
        let result = check(call, state, &partition)
            .and_then(|()| state.write_marker(&partition, marker, call.shared.moment()));
        WritableTxnMarkerPartitionResult::default()
            .with_partition_index(*index)
            .with_error_code(super::code(&result))
    });
    let partitions = partitions.collect();
    WritableTxnMarkerTopicResult::default()
        .with_name(topic.name.clone())
        .with_partitions(partitions)
}

/// A broker knows only partitions that it hosts.
fn check(call: &Call, state: &State, (topic, index): &TopicPartition) -> Result<(), ResponseError> {
    if let Some(error) = call.injected(topic, *index) {
        return Err(error);
    }
    if topic == OFFSETS_TOPIC {
        return Ok(());
    }
    let hosted = state
        .partition(topic, *index)
        .filter(|partition| partition.replicas.contains(&call.broker));
    let partition = hosted.ok_or(ResponseError::UnknownTopicOrPartition)?;
    if partition.leader == Some(call.broker) {
        Ok(())
    } else {
        Err(ResponseError::NotLeaderOrFollower)
    }
}
